"""Chinese search: whatever the reader types is found by characters and pairs."""

from sphinx.search.zh import SearchChinese

from booktools.search import BigramChinese


def index(text: str) -> list[str]:
    return BigramChinese({}).split(text)


def test_characters_and_pairs_are_indexed() -> None:
    words = index("激活函数")
    assert {"激", "活", "函", "数", "激活", "活函", "函数"} == set(words)


def test_punctuation_separates() -> None:
    assert "态门" not in index("状态，门")


def test_latin_words_stay_whole() -> None:
    assert "LSTM" in index("用 LSTM 训练")


def test_words_are_stemmed_as_sphinx_stems_them() -> None:
    ours, theirs = BigramChinese({}), SearchChinese({})
    words = ["GATES", "gates", "RTS", "ReLU", "is", "ties", "W_h", "遗忘门", "遗忘"]
    theirs.latin_terms = [word for word in words if word.isascii()]
    theirs.stemmer = ours.stemmer
    assert [ours.stem(word) for word in words] == [theirs.stem(word) for word in words]
    assert ours.stem("ties") == "tie"
