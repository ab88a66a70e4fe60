"""What a call is for: classes share an account's budget, and single mails go first."""

from __future__ import annotations

from enum import StrEnum


class CallClass(StrEnum):
    """Who asks. The words are those of `lua/limiter.lua`.

    Whichever classes want slots, each gets at least every fifth, so that nobody starves.
    """

    SINGLE = "single"
    """Somebody waits for it: single mails, an operator's look-up. At most half a second behind
    bulk; a slot more for the first one in a minute, and at limits below 9 a second behind a segment
    call that was let in just before."""
    CAMPAIGN = "campaign"
    """Bulk mail: whatever the others leave."""
    SEGMENT = "segment"
    """Calls about contacts and segments: a fifth while mail wants slots, all of it otherwise."""
