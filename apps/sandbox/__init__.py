"""Stand-in provider servers for the demo, the tests and the benchmarks.

They speak the providers' real protocols and keep an append-only log of what they accepted. They
import no other app and no Django: a judge must not share code with what it judges.
"""
