"""How long ago was that? As kubectl writes it: `5s`, `4m10s`, `3h5m`, `2d4h`. Pure: for reading, nothing decides by it."""

from keelstep.events import clock


def age(since: str | None, until: int) -> str:
    """The time from a point to `until`; empty where there is no point."""
    if not since:
        return ""
    try:
        seconds = max(0, (until - clock.parse(since)) // clock.SECOND)
    except ValueError:
        return since
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if minutes < 2:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if days < 2:
        return f"{hours}h"
    return f"{days}d{hours % 24}h" if days < 8 and hours % 24 else f"{days}d"
