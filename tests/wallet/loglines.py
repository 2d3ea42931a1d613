"""What iOS writes to a server's log, word for word as servers have seen it (7A.8)."""

import time


def unchanged(name: tuple[str, str], service: str) -> str:
    return (
        f"Web service error for {name[0]} ({service}): Server requested update to serial number "
        f"'{name[1]}', but the pass was unchanged."
    )


def ignored_since(name: tuple[str, str], service: str, last_modified: str) -> str:
    return (
        f"Web service error for {name[0]} ({service}): Server ignored the 'if-modified-since' "
        f"header ({last_modified}) and returned the full unchanged pass data for serial number "
        f"'{name[1]}'."
    )


def register_failed(device: str, name: tuple[str, str], service: str, error: str) -> str:
    about = f"for device {device}, pass type {name[0]}, serial number {name[1]}"
    return f"Register task ({about}; with web service url {service}) encountered error: {error}"


def unregister_failed(device: str, name: tuple[str, str], service: str, error: str) -> str:
    about = f"for device {device}, pass type {name[0]}, serial number {name[1]}"
    return f"Unregister task ({about}; with web service url {service}) encountered error: {error}"


def list_failed(device: str, topic: str, tag: str | None, service: str, error: str) -> str:
    about = f"for device {device}, pass type {topic}, last updated {tag or '(null)'}"
    return (
        f"Get serial #s task ({about}; with web service url {service}) encountered error: {error}"
    )


def fetch_failed(name: tuple[str, str], since: str | None, service: str, error: str) -> str:
    about = f"pass type {name[0]}, serial number {name[1]}, if-modified-since {since or '(null)'}"
    return f"Get pass task ({about}; with web service url {service}) encountered error: {error}"


def dated(line: str) -> str:
    """Put the time before a line, as the device does."""
    return f"[{time.strftime('%F %T +0000', time.gmtime())}] {line}"
