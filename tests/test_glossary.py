"""The glossary names each term once, in order, in few words, and with a lab whose text has it."""
import re

from effml_lab.folders import checkout

ROOT = checkout()
TABLE = (ROOT / "GLOSSARY.md").read_text().split("|---|---|---|\n")[1]
ROWS = [[part.strip() for part in line.strip("|").split("|")] for line in TABLE.splitlines()]
MOST = 26       # words of a meaning


def text(lab: str) -> str:
    paths = [*(ROOT / "solutions").glob(f"{lab}_*.py"), *(ROOT / "lectures").glob(f"{lab}_*.py")]
    return re.sub(r"[\s#*`]+", " ", " ".join(path.read_text() for path in paths)).casefold()


def test_terms_are_in_order_and_short():
    names = [re.sub("[^a-z0-9]", "", term.lower()) for term, _, _ in ROWS]
    assert len(ROWS) > 60 and names == sorted(names) and len(set(names)) == len(names)
    assert not [term for term, meaning, _ in ROWS if len(re.findall(r"[A-Za-z]{2,}", meaning)) > MOST]


def test_each_term_is_in_the_lab_that_it_names():
    missing = []
    for term, _, labs in ROWS:
        ways = [way.strip(" ,").casefold() for way in re.split(r"[,;()]", term) if way.strip()]
        texts = " ".join(text(lab.strip()) for lab in labs.split(","))
        if not any(re.search(rf"(?<!\w){re.escape(way)}(?!\w)", texts) for way in ways):
            missing.append((term, labs))
    assert not missing
