"""English words, in lower case, that carry no subject, or that tell a kind of name or a subject.

The lists lie in ``zettel/wordlists/en``, and each says where it comes from. They were written by hand. `FILLERS` and
`VAGUE` were extended while reading LoCoMo and REALTALK, so that keywords and names of topics may be worse in
other kinds of conversation.
"""

from __future__ import annotations

from zettel.text import terms
from zettel.wordlists import entries, phrases, words

#: Words that carry no subject. They are never keywords, nor are they names when a sentence begins with them.
FILLERS = words("fillers")

#: Words in -ly and -ed that are things, not manners and deeds.
NOUNS_IN_LY_ED = words("nouns_in_ly_ed")

#: Titles and relations that come before a person's name.
PERSON_BEFORE = words("person_before")

#: Words that the name of a place, or of an organization, ends with.
PLACE_PARTS = words("place_parts")
ORGANIZATION_PARTS = words("organization_parts")

#: Countries, states and well-known cities.
PLACES = phrases("places")

#: Stems of deeds, qualities and exclamations, which name no topic alone.
VAGUE = frozenset(terms(entries("vague")))


def _subjects() -> dict[str, str]:
    subject, subjects = "", {}
    for word in entries("subjects").split():
        if word.endswith(":"):
            subject = word[:-1]
        else:
            subjects[word] = subject
    return subjects


#: What a message is about, by the words that say so: the names of these subjects are tags.
SUBJECTS = _subjects()

#: Tags that tell what one message does or holds, not what it is about.
SIGNS = frozenset(
    {"question", "request", "plan", "answered", "person", "place", "organization", "title", "date", "link", "code"}
)
