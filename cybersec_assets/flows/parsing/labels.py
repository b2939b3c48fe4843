"""Classify labels: a flow is malicious, benign, or not classified.

A label is split into words at every character that is not a letter, and where the case changes: `BenignTraffic`,
`Benign_Final` and `benign-2` all contain the word `benign`. Letters without a separator (`benigntraffic`) are split if
known words cover all of them. Only whole words count: `abnormal` is not `normal`. Words for malice take precedence over
words for background, and these over words for benign traffic. A word after `not`, `non` or `no` means its opposite,
also with an article in between (`not an attack`), and so does a word for malice before `free` (`malware-free`). A label
of unknown words, or `-1`, gives no verdict; `assemble` reports it.

The words come from the labels of public data sets: CICIoT2023, CICIoMT2024, CIC-IDS2017, CSE-CIC-IDS2018, CIC-DDoS2019,
CIDDS-001 (https://www.unb.ca/cic/datasets/), MQTTset, N-BaIoT, Edge-IIoTset, ToN-IoT, Bot-IoT, UNSW-NB15
(https://research.unsw.edu.au/projects/unsw-nb15-dataset), CTU-13, IoT-23 (https://www.stratosphereips.org/datasets-overview),
and NSL-KDD (https://www.unb.ca/cic/datasets/nsl.html).
"""

import re
from typing import Literal

import polars as pl

from cybersec_assets.flows.parsing.values import Field

Meaning = Literal["malice", "harmless", "nothing", "unknown"]

HARMLESS = {
    *("benign", "normal", "legitimate", "legit", "harmless", "innocuous", "innocent", "clean", "safe", "good"),
    *("goodware", "genuine", "regular", "ordinary", "nonmalicious", "whitelisted", "trusted"),
}
BACKGROUND = {"background", "backgrund"}
"""CTU-13 has both spellings."""
UNDECIDED = {
    *("unknown", "unlabeled", "unlabelled", "unset", "none", "null", "nan", "undefined", "unclassified", "suspicious"),
    *("undetermined", "unspecified", "missing", "empty", "nolabel", "notlabeled", "notlabelled"),
    "needmanuallabel",
}
"""Words for a missing verdict. They count if no other word of the label gives a verdict."""
MALICE = {
    *("malicious", "malice", "malign", "malignant", "malware", "malwares", "harmful", "hostile", "evil", "bad"),
    *("abnormal", "abnormality", "anormal", "anomaly", "anomalies", "anomalous", "illegitimate", "illegit", "illegal"),
    *("illicit", "unsafe", "unauthorized", "unauthorised", "threat", "threats", "alert", "alerts", "alerted"),
    *("attack", "attacks", "attacker", "attackers", "attacking", "attacked", "victim", "intrusion", "intrusions"),
    *("intruder", "hack", "hacker", "hacking", "hacked", "compromise", "compromised", "infected", "infection"),
    *("botnet", "botnets", "bot", "bots", "cnc", "dga", "beaconing", "mirai", "gafgyt", "bashlite", "okiru", "torii"),
    *("hajime", "muhstik", "hakai", "kenjiro", "persirai", "ircbot", "neris", "rbot", "virut", "menti", "sogou"),
    *("murlo", "zeus", "emotet", "trickbot", "conficker", "greeth", "greip", "udpplain", "candc"),
    *("ddos", "dos", "drdos", "webddos", "flood", "floods", "flooding", "flooder", "hulk", "goldeneye", "slowloris"),
    *("slowhttptest", "slowite", "loic", "hoic", "udplag", "neptune", "smurf", "teardrop", "mailbomb", "udpstorm"),
    *("processtable", "malformed", "synonymousip"),
    *("scan", "scans", "scanner", "scanners", "scanning", "portscan", "portscans", "portscanning", "osscan", "vulscan"),
    *("vulnscan", "mscan", "nmap", "satan", "sweep", "sweeps", "ipsweep", "portsweep", "pingsweep", "probe", "probes"),
    *("probing", "recon", "reconnaissance", "fingerprint", "fingerprinting"),
    *("exploit", "exploits", "exploitation", "exploiting", "shellcode", "fuzzer", "fuzzers", "fuzzing", "injection"),
    *("injections", "sqlinjection", "sqli", "xss", "csrf", "sqlattack", "overflow", "bufferoverflow", "heartbleed"),
    *("hijack", "hijacking", "hijacked", "spoof", "spoofing", "spoofed", "arpspoofing", "mitm", "impersonation"),
    *("poisoning", "bruteforce", "bruteforcing", "brute", "patator", "infiltration", "infilteration", "exfiltration"),
    *("theft", "keylogger", "keyloggers", "keylogging", "backdoor", "backdoors", "trojan", "trojans", "worm", "worms"),
    *("virus", "viruses", "rootkit", "rootkits", "ransomware", "spyware", "adware", "shell", "webshell", "phishing"),
    *("spam", "spamming", "spammer", "cryptominer", "cryptomining", "cryptojacking", "httptunnel", "loadmodule"),
    *("warezclient", "warezmaster", "snmpguess", "snmpgetattack", "xlock", "xsnoop"),
    *("wiretap", "renegotiation", "sparta", "deauth", "deauthentication", "krack", "rogue", "clickfraud", "dropper"),
    *("coinminer", "wannacry", "stuffing", "credentialstuffing", "slowread", "rudy", "rudeadyet"),
}
WHOLE_MALICE = {
    *("apache2", "back", "ftpwrite", "guesspasswd", "imap", "land", "multihop", "named", "perl", "phf", "pod", "ps"),
    *("r2l", "u2r", "saint", "sendmail", "spy", "xterm", "generic", "analysis", "password", "uploading", "combo"),
    *("junk", "syn", "filedownload", "heartbeat", "hostdiscovery", "lateralmovement", "establishfoothold"),
    *("tftp", "mssql", "netbios", "portmap"),
}
"""Attack labels that are ordinary words. They count only if they are the whole label."""
ON = {"true", "t", "yes", "y"}
OFF = {"false", "f", "no", "n"}
NOT_APPLICABLE = {"na"}
NEGATIONS = {"non", "not", "no", "un", "ab", "il"}
ARTICLES = {"a", "an", "the"}
FREE = "free"
DNS = "dns"
TUNNELS = {"tunnel", "tunnels", "tunneling", "tunnelling"}
"""Words for malice only if the label also contains `dns`. Other tunnels are ordinary traffic."""
NEUTRAL = {
    *("traffic", "flow", "flows", "final", "data", "dataset", "device", "devices", "activity", "connection"),
    *("connections", "conn", "session", "sessions", "packet", "packets", "class", "label", "type", "user", "users"),
    *("network", "net", "host", "hosts", "client", "server", "request", "requests", "response", "sample", "samples"),
    *("train", "test", "behavior", "behaviour", "usage", "event", "events", "communication", "stream", "web", "http"),
    *("https", "dns", "tcp", "udp", "icmp", "arp", "ack", "syn", "mqtt", "ssh", "ftp", "iot", "port", "from", "the"),
    *("horizontal", "vertical", "force", "attempt", "attempted", "like", "and", "access"),
}
"""Words without a verdict, which help to split letters without a separator."""

RUN = re.compile(r"[^\W\d_]+")
CASES = (re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[^\WA-Z]+|[A-Z]+"), re.compile(r"[A-Z]+|[^\WA-Z]+"))
"""Splits where the case changes: in `FTPNormal` before the last capital letter, in `FTPnormal` after it."""
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
NUMBERS: dict[float, Meaning] = {0: "harmless", -1: "unknown"}
"""Numbers that do not mean malice. Some tools write -1 for noise and others for a missing label."""
COMMAND_AND_CONTROL = re.compile(r"(?i)(?<![^\W_])c(?:\s*&\s*c|2)(?![^\W_])")
MAX_CHARACTERS = 256
"""The rest of a longer label is ignored."""
KNOWN = HARMLESS | BACKGROUND | UNDECIDED | MALICE
COVERING = KNOWN | NEUTRAL | NEGATIONS | TUNNELS | {FREE}


def meaning(label: str) -> Meaning:
    """Classify a label.

    Args:
        label: The label in the log, of which the first 256 characters are used.

    Returns:
        `malice`, `harmless`, `nothing` for an empty label or a missing verdict, otherwise `unknown`.
    """
    plain = label.strip()[:MAX_CHARACTERS]
    if NUMBER.fullmatch(plain):
        return NUMBERS.get(float(plain), "malice")
    whole = "".join(character for character in plain.lower() if character.isalnum())
    if whole in ON | WHOLE_MALICE:
        return "malice"
    if whole in OFF:
        return "harmless"
    if not whole or whole in NOT_APPLICABLE:
        return "nothing"
    if whole in KNOWN:
        return _of_words([whole])
    return _of_words(_words(COMMAND_AND_CONTROL.sub(" cnc ", plain)))


def _of_words(words: list[str]) -> Meaning:
    found = set[str]()
    plain = [word for word in words if word not in ARTICLES]
    for before, word, after in zip(["", *plain], plain, [*plain[1:], ""], strict=False):
        is_opposite = before in NEGATIONS
        if word in MALICE or (word in TUNNELS and DNS in plain):
            # `not malware-free` is a double negation.
            found.add("harmless" if is_opposite != (after == FREE) else "malice")
        elif word in HARMLESS:
            found.add("malice" if is_opposite else "harmless")
        elif word in BACKGROUND:
            found.add("background")
        elif word in UNDECIDED:
            found.add("undecided")
    if "malice" in found:
        return "malice"
    if "background" in found:
        return "nothing"
    if "harmless" in found:
        return "harmless"
    return "nothing" if "undecided" in found else "unknown"


def _words(label: str) -> list[str]:
    return [word for run in RUN.findall(label) for word in _split(run)]


def _split(run: str) -> list[str]:
    """Split letters into known words, or otherwise where the case changes. A known word stays whole."""
    plain = run.lower()
    if plain in KNOWN:
        return [plain]
    return _covered(plain) or [part.lower() for case in CASES for part in case.findall(run)]


def _covered(letters: str) -> list[str] | None:
    """Split letters into the fewest known words. Return None if such words do not cover them."""
    best: list[list[str] | None] = [[]]
    for end in range(1, len(letters) + 1):
        cuts = [
            [*head, letters[at:end]] for at, head in enumerate(best) if head is not None and letters[at:end] in COVERING
        ]
        best.append(min(cuts, key=len, default=None))
    return best[-1]


def verdict(text: pl.Expr) -> pl.Expr:
    """Return the verdict of a label.

    Args:
        text: The label in the log.

    Returns:
        True for malice, false for benign traffic, null for anything else.
    """
    return text.map_batches(_verdicts, return_dtype=pl.Boolean(), is_elementwise=True)


def label(text: pl.Expr) -> Field:
    """Read a label. A label without a verdict is not an error. Unknown words are in `unknown` of the field."""
    value = verdict(text)
    unknown = text.map_batches(_unknown, return_dtype=pl.String(), is_elementwise=True)
    return Field(value.cast(pl.String), value, unknown)


VERDICTS: dict[Meaning, bool | None] = {"malice": True, "harmless": False, "nothing": None, "unknown": None}


def _verdicts(texts: pl.Series) -> pl.Series:
    # A day has few different labels, and Python processes each only once per batch.
    labels = texts.drop_nulls().unique()
    verdicts = pl.Series([VERDICTS[meaning(each)] for each in labels], dtype=pl.Boolean)
    return texts.replace_strict(labels, verdicts, default=None, return_dtype=pl.Boolean)


def _unknown(texts: pl.Series) -> pl.Series:
    labels = texts.drop_nulls().unique()
    unknown = pl.Series(
        [each[:MAX_CHARACTERS] if meaning(each) == "unknown" else None for each in labels], dtype=pl.String
    )
    return texts.replace_strict(labels, unknown, default=None, return_dtype=pl.String)
