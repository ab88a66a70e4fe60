"""`make demo`: the whole station from an empty folder to a campaign that arrived, on one screen.

- `people`: who is in the file that is imported, good rows and bad ones, the same every time
- `stage`: servers, sandbox, programs and Django's settings; ends all of it
- `story`: the steps that an operator would take, with the commands as one would type them
- `watching`: what is waited for, with deadlines and a progress bar
- `report`: the table at the end
"""
