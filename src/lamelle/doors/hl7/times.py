"""HL7 times and ours: YYYYMMDD[HHMM[SS[.S]]][+/-ZZZZ]. Source: HL7 v2.5.1 2.A.22 DTM."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

TIME: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(?:(\d\d)(?:\.(\d{1,6})\d*)?)?)?([+-]\d{4})?")


def instant(text: str, zone: tzinfo) -> datetime | None:
    """A time with at least its day; without an offset it is of `zone`. None for anything else."""
    found = TIME.fullmatch(text.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    micro = int((found[7] or "").ljust(6, "0"))
    try:
        at = datetime(year, month, day, hour, minute, min(second, 59), micro, tzinfo=offset(text) or zone)
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def offset(text: str) -> tzinfo | None:
    """The offset a time says."""
    found = TIME.fullmatch(text.strip())
    if found is None or not found[8]:
        return None
    sign = -1 if found[8][0] == "-" else 1
    minutes = sign * (int(found[8][1:3]) * 60 + int(found[8][3:]))
    return timezone(timedelta(minutes=minutes)) if abs(minutes) < 1440 else None


def written(at: datetime | None, zone: tzinfo) -> str:
    """A time as we say it, with its offset."""
    return "" if at is None else at.astimezone(zone).strftime("%Y%m%d%H%M%S%z")


def day(text: str) -> str:
    """The date of a time, YYYYMMDD; unknown parts may be 00 or absent."""
    digits = re.match(r"\d{4,8}", text.strip())
    return digits.group().ljust(8, "0")[:8] if digits else ""
