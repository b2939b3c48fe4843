"""Classifying labels."""

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cybersec_assets.flows.ingest import ingest
from cybersec_assets.flows.parsing import labels as words
from cybersec_assets.flows.parsing.labels import meaning, verdict
from cybersec_assets.flows.pseudonyms.privacy import HIDDEN
from cybersec_assets.flows.pseudonyms.pseudonyms import Pseudonyms
from cybersec_assets.flows.source import FlowSource
from cybersec_assets_tests.support.flows.delimited_logs import ARGUS
from cybersec_assets_tests.support.flows.json_logs import conn, lines
from cybersec_assets_tests.support.flows.logs import CSV, DAY, ZEEK, csv_row, examples, write, zeek_header, zeek_row

MALICE = ["Malicious", "botnet", "DDoS", "1", "1.0", "-2", "true", "attack", "neptune", "C&C", "10", "0.5", "yes"]
HARMLESS = ["Benign", "normal", "NORMAL.", "flow=From-Normal-V51-Stribrek", "false", "no", "0", "0.0", " 0 "]
NOTHING = [
    "",
    "-",
    "(empty)",
    "?",
    "suspicious",
    "Background",
    "flow=Background-UDP",
    "flow=Backgrund-TCP",
    "unknown",
    "unset",
    "None",
    "NULL",
    "NaN",
    "n/a",
]


def verdict_of(label):
    """Return the verdict of one label."""
    return pl.DataFrame({"label": [label]}, schema={"label": pl.String}).select(verdict(pl.col("label"))).item()


def any_case(labels):
    """Return labels in any case, with or without blanks around them."""
    cases = st.sampled_from([str.lower, str.upper, str.title, str])
    return st.builds(lambda label, case, blank: blank + case(label) + blank, labels, cases, st.sampled_from(["", " "]))


@examples
@given(any_case(st.sampled_from(MALICE)))
def test_labels_of_malice_are_true(label):
    assert verdict_of(label) is True


@examples
@given(any_case(st.sampled_from(HARMLESS)))
def test_labels_of_benign_traffic_are_false(label):
    assert verdict_of(label) is False


@examples
@given(any_case(st.sampled_from(NOTHING)))
def test_background_and_unset_are_null(label):
    assert verdict_of(label) is None


@pytest.mark.parametrize("label", ["unknown malware", "exploit with no payload", "null scan", "abnormal"])
def test_words_such_as_unknown_or_null_do_not_override_malice(label):
    assert verdict_of(label) is True


PUBLIC = {
    "CICIoT2023": (
        "BenignTraffic",
        (
            "DDoS-RSTFINFlood DDoS-PSHACK_Flood DDoS-SYN_Flood DDoS-UDP_Flood DDoS-TCP_Flood DDoS-ICMP_Flood "
            "DDoS-SynonymousIP_Flood DDoS-HTTP_Flood DDoS-ACK_Fragmentation DDoS-UDP_Fragmentation "
            "DDoS-ICMP_Fragmentation DDoS-SlowLoris DoS-UDP_Flood DoS-SYN_Flood DoS-TCP_Flood DoS-HTTP_Flood "
            "Mirai-greeth_flood Mirai-udpplain Mirai-greip_flood Recon-PingSweep Recon-OSScan Recon-PortScan "
            "VulnerabilityScan Recon-HostDiscovery DNS_Spoofing MITM-ArpSpoofing BrowserHijacking "
            "Backdoor_Malware XSS Uploading_Attack SqlInjection CommandInjection DictionaryBruteForce"
        ),
    ),
    "CICIoMT2024": (
        "Benign_train Benign_test",
        (
            "MQTT-DDoS-Publish_Flood_train TCP_IP-DDoS-UDP_train Recon-VulScan_train ARP_Spoofing_test "
            "MQTT-Malformed_Data_train"
        ),
    ),
    "CIC-IDS2017": (
        "BENIGN",
        (
            "DDoS DoS_Hulk DoS_GoldenEye DoS_slowloris DoS_Slowhttptest PortScan FTP-Patator SSH-Patator Bot "
            "Web_Attack_Brute_Force Web_Attack_XSS Web_Attack_Sql_Injection Infiltration Heartbleed"
        ),
    ),
    "CSE-CIC-IDS2018": (
        "Benign",
        (
            "Bot Infilteration SQL_Injection Brute_Force_-Web FTP-BruteForce SSH-Bruteforce DDOS_attack-HOIC "
            "DDOS_attack-LOIC-UDP DDoS_attacks-LOIC-HTTP DoS_attacks-Hulk DoS_attacks-SlowHTTPTest"
        ),
    ),
    "CIC-DDoS2019": ("BENIGN", "DrDoS_DNS DrDoS_LDAP WebDDoS UDP-lag UDPLag Syn TFTP MSSQL NetBIOS Portmap"),
    "CIDDS-001": ("normal", "attacker victim"),
    "MQTTset": ("legitimate", "dos malformed bruteforce slowite flood"),
    "N-BaIoT": (
        "benign benign_traffic",
        "gafgyt.combo gafgyt.junk gafgyt.udp mirai.ack mirai-udpplain combo junk scan",
    ),
    "ToN-IoT": ("normal", "backdoor ddos dos injection mitm password ransomware scanning xss"),
    "Edge-IIoTset": (
        "Normal",
        (
            "DDoS_UDP DDoS_ICMP SQL_injection Password Vulnerability_scanner Uploading Backdoor Port_Scanning "
            "XSS Ransomware MITM Fingerprinting OS_Fingerprinting"
        ),
    ),
    "Bot-IoT": ("Normal", "DDoS DoS Reconnaissance Theft Service_Scan OS_Fingerprint Keylogging Data_Exfiltration"),
    "UNSW-NB15": (
        "Normal",
        "Fuzzers Analysis Backdoor Backdoors DoS Exploits Generic Reconnaissance Shellcode Worms",
    ),
    "Kitsune": ("benign", "Active_Wiretap SSL_Renegotiation ARP_MitM SSDP_Flood Video_Injection OS_Scan"),
    "CTU-13": (
        "flow=From-Normal-V42-Stribrek flow=To-Normal-V42-UDP-NTP-server flow=Normal-V42-HTTP-windowsupdate",
        "flow=From-Botnet-V42-TCP-CC6-Plain-HTTP flow=From-Botnet-V50-7-TCP-Attempt-SPAM flow=To-Botnet-V48-TCP",
    ),
    "IoT-23": (
        "Benign -___Benign___-",
        (
            "Malicious C&C C&C-FileDownload C&C-HeartBeat C&C-Torii C&C-Mirai DDoS FileDownload Okiru "
            "Okiru-Attack Attack PartOfAHorizontalPortScan PartOfAHorizontalPortScan-Attack "
            "(empty)___Malicious___C&C -___Malicious___PartOfAHorizontalPortScan"
        ),
    ),
    "NSL-KDD": (
        "normal normal.",
        (
            "back land neptune pod smurf teardrop mailbomb apache2 processtable udpstorm ipsweep nmap "
            "portsweep satan mscan saint ftp_write guess_passwd imap multihop phf spy warezclient warezmaster "
            "sendmail named snmpgetattack snmpguess xlock xsnoop worm buffer_overflow loadmodule perl rootkit "
            "httptunnel ps sqlattack xterm back. neptune. r2l u2r"
        ),
    ),
}
"""The benign and the malicious labels of public data sets. Three underscores stand for three blanks."""


@pytest.mark.parametrize("labels", PUBLIC.values(), ids=PUBLIC)
def test_the_labels_of_public_sets_are_known(labels):
    harmless, malice = map(_split, labels)
    assert {label: verdict_of(label) for label in harmless} == dict.fromkeys(harmless, False)
    assert {label: verdict_of(label) for label in malice} == dict.fromkeys(malice, True)


def _split(text):
    return [label.replace("___", "   ") for label in text.split(" ")]


harmless_words = st.sampled_from(["benign", "normal", "legitimate", "legit", "harmless", "clean", "innocuous"])
malicious_words = st.sampled_from(["malicious", "attack", "botnet", "ddos", "flood", "scan", "mirai", "exploit"])
background_words = st.sampled_from(["background", "unknown", "unlabelled", "unset"])
neutral_words = st.sampled_from(["traffic", "final", "flow", "device", "data", "stribrek", "windowsupdate", "zyx"])
joiners = st.sampled_from(["_", "-", " ", ".", "2", "=", "/", ":", "__", " - "])


@st.composite
def joined(draw, *kinds):
    """Return a label with a word of each kind in any order, joined by separators or by their case."""
    drawn = draw(st.permutations([draw(kind) for kind in kinds]))
    if draw(st.booleans()):
        return "".join(word.title() for word in drawn)
    return draw(joiners).join(draw(st.sampled_from([str.lower, str.upper, str.title]))(word) for word in drawn)


@examples
@given(joined(harmless_words, neutral_words) | joined(harmless_words, neutral_words, neutral_words))
def test_a_harmless_word_with_neutral_words_is_harmless(label):
    assert verdict_of(label) is False


@examples
@given(joined(background_words, neutral_words))
def test_a_word_for_no_verdict_with_neutral_words_is_not_unknown(label):
    assert meaning(label) == "nothing"


@examples
@given(
    joined(malicious_words, neutral_words)
    | joined(malicious_words, harmless_words)
    | joined(malicious_words, background_words, neutral_words)
)
def test_a_malicious_word_takes_precedence_over_all_others(label):
    assert verdict_of(label) is True


letters = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=5)


@examples
@given(st.builds(lambda before, word, behind: before + word + behind, letters, harmless_words, letters | st.just("")))
def test_letters_that_only_contain_a_harmless_word_are_not_harmless(label):
    assume(not any(label.startswith(word) or label.endswith(word) for word in words.COVERING - words.HARMLESS))
    assert verdict_of(label) is not False


@pytest.mark.parametrize(
    "label",
    [
        *("abnormal", "Abnormal_Traffic", "abnormaltraffic", "AbNormal", "illegitimate", "Illegitimate-User", "unsafe"),
        *("anormal", "not normal", "non-benign", "NotBenign", "unclean", "malicious benign-looking", "benign attack"),
    ],
)
def test_the_opposite_of_harmless_is_malice(label):
    assert verdict_of(label) is True


@pytest.mark.parametrize(
    "label",
    [
        *("attack_free", "AttackFree", "attackfree", "malware-free", "Malware Free", "virus-free traffic"),
        *("not an attack", "not a malicious flow", "NotAnAttack", "no_attack", "not the attack", "non-malicious"),
        *("whitelisted", "Trusted", "trusted_device"),
    ],
)
def test_a_denied_attack_is_harmless(label):
    """A word before it, with or without an article, or `free` after it denies a word for malice."""
    assert verdict_of(label) is False


@pytest.mark.parametrize(
    "label",
    [
        *("not malware-free", "free malware", "not a benign flow", "attack", "an attack", "a malicious flow"),
        *("DNS_Tunneling", "dns tunnel", "dnstunneling", "Sparta", "Deauth", "KRACK", "Rogue_AP", "ClickFraud"),
        *("Dropper", "CoinMiner", "WannaCry", "CredentialStuffing", "Slow Read", "SlowRead", "R.U.D.Y.", "RUDY"),
        "untrusted",
    ],
)
def test_further_names_of_attacks_are_malice(label):
    assert verdict_of(label) is True


@pytest.mark.parametrize("label", ["No Label", "NoLabel", "no_label", "NeedManualLabel", "not labelled", "Not labeled"])
def test_labels_for_a_missing_label_give_no_verdict(label):
    assert meaning(label) == "nothing"


@pytest.mark.parametrize("label", ["-1", "-1.0", "tcp", "udp", "ack", "tunnel", "GRE tunnel", "tftp server", "free"])
def test_ambiguous_numbers_and_words_are_unknown(label):
    """Some tools write -1 for noise and others for a missing label."""
    assert meaning(label) == "unknown"


@pytest.mark.parametrize("label", ["normalize", "paranormal", "goodbye", "cleanup", "safety", "Backgrounder"])
def test_words_that_only_contain_a_known_word_are_unknown(label):
    assert meaning(label) == "unknown"


@pytest.mark.parametrize("label", ["non-malicious", "NonMalicious", "not malicious", "no attack", "no_anomaly"])
def test_the_opposite_of_malice_is_harmless(label):
    assert verdict_of(label) is False


@pytest.mark.parametrize("label", ["benigntraffic", "normalflow", "legitimateuser", "finalbenign"])
def test_words_without_a_separator_are_split_if_all_are_known(label):
    assert verdict_of(label) is False


@examples
@given(st.text("bcdfghjklmpqrstvwxz", min_size=3, max_size=20))
def test_random_consonants_are_unknown(label):
    assume(label not in words.KNOWN | words.WHOLE_MALICE)
    assert (verdict_of(label), meaning(label)) == (None, "unknown")


@examples
@given(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_text_is_read_without_an_error(label):
    assert verdict_of(label) in ((None,) if label is None else (True, False, None))


def test_no_word_has_two_meanings():
    kinds = [words.HARMLESS, words.BACKGROUND, words.UNDECIDED, words.MALICE, words.NEGATIONS]
    assert sum(map(len, kinds)) == len(set().union(*kinds))


def test_only_the_beginning_of_a_long_label_is_read():
    assert meaning("benign " * 100_000) == "harmless"
    assert meaning("x" * 1_000_000) == "unknown"


WORDS = ["BenignTraffic", "DDoS-UDP_Flood", "Background", "Foo_Bar", "Foo_Bar", "quux"]
LOGS = {
    "zeek": "".join([zeek_header([*ZEEK, "label"]), *(zeek_row()[:-1] + f"\t{word}\n" for word in WORDS)]),
    "zeek, label not last": "".join(
        [zeek_header(["label", *ZEEK]), *(f"{word}\t{zeek_row()}" for word in WORDS)],
    ),
    "zeek_json": lines(*(conn(label=word) for word in WORDS)),
    "argus": ARGUS.log(*(ARGUS.row({"Label": word}) for word in WORDS)),
    "csv": ",".join([*CSV, "label"]) + "\n" + "".join(f"{csv_row()[:-1]},{word}\n" for word in WORDS),
}


@pytest.mark.parametrize("content", LOGS.values(), ids=LOGS)
def test_every_reader_counts_labels_of_unknown_words(content, tmp_path):
    """Labels have the same verdicts in each format. Unknown labels are counted and are not errors."""
    kept = tmp_path / "kept.parquet"
    logs = FlowSource(str(write(tmp_path / "log", content))).logs_of(DAY, tmp_path / "logs")
    ingested = ingest(logs, kept, tmp_path / "rejected.parquet")
    assert pl.read_parquet(kept)["label"].to_list() == [False, True, None, None, None, None]
    assert (ingested.rejected, ingested.unlabelled) == (0, 3)
    assert list(ingested.unknown_labels.items()) == [("Foo_Bar", 2), ("quux", 1)]


@pytest.mark.parametrize(
    ("values", "verdicts", "unknown"),
    [
        (WORDS, [False, True, None, None, None, None], 3),
        ([True, False, None], [True, False, None], 0),
        ([0, 1, 7], [False, True, True], 0),
        ([0.0, 1.0, None], [False, True, None], 0),
    ],
)
def test_a_parquet_label_of_any_type_gives_its_verdict(values, verdicts, unknown, tmp_path):
    """Unknown words are also counted by the isolated process."""
    log = tmp_path / "log"
    pl.DataFrame(CSV | {"bytes": 30}).join(pl.DataFrame({"label": values}), how="cross").write_parquet(log)
    kept = tmp_path / "kept.parquet"
    ingested = ingest(FlowSource(str(log)).logs_of(DAY, tmp_path / "logs"), kept, tmp_path / "rejected.parquet")
    assert pl.read_parquet(kept)["label"].to_list() == verdicts
    assert (ingested.unlabelled, sum(ingested.unknown_labels.values())) == (unknown, unknown)


def test_unknown_labels_are_hidden_with_pseudonyms(tmp_path):
    """A wrongly mapped label may be an address; only their number is reported."""
    log = write(tmp_path / "log", LOGS["csv"].replace("quux", "192.0.2.77"))
    logs = FlowSource(str(log), pseudonyms=Pseudonyms(bytes(range(32)))).logs_of(DAY, tmp_path / "logs")
    ingested = ingest(logs, tmp_path / "kept.parquet", tmp_path / "rejected.parquet")
    assert ingested.unknown_labels == {HIDDEN: 3}


def test_the_number_of_unknown_labels_is_exact_and_only_some_are_kept(tmp_path):
    rows = "".join(f"{csv_row()[:-1]},zzz{'x' * number}\n" for number in range(200))
    log = write(tmp_path / "log", ",".join([*CSV, "label"]) + "\n" + rows)
    logs = FlowSource(str(log)).logs_of(DAY, tmp_path / "logs")
    ingested = ingest(logs, tmp_path / "kept.parquet", tmp_path / "rejected.parquet")
    assert (ingested.unlabelled, len(ingested.unknown_labels)) == (200, 20)
