"""`make demo`: the whole station from an empty folder to campaigns that arrived, on one screen.

- `playing`: from the first line to the exit code, whatever happens in between
- `stage`: servers, sandbox, programs and Django's settings; ends all of it
- `story`: the steps that an operator would take, with the commands as one would type them
- `people`, `names`: who is in the file that is imported, good rows and bad, the same every time
- `history`: who had left, complained or bounced before
- `texting`: the part of the story that is about texts
- `screen`, `waiting`: lines and bars; what is waited for, and until when
- `report`, `text_report`, `letters`: the tables at the end, and one of the mails to look at
"""
