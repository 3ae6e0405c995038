"""What a report of findings says, in every language it speaks."""

from collections.abc import Mapping

from egbad.data.column_types import describe_value
from egbad.errors import unknown
from egbad.explain.explanation import Reason
from egbad.explain.grouping import ExplanationGroup
from egbad.report.findings import RowLocation

LANGUAGES: Mapping[str, Mapping[str, str]] = {
    "en": {
        "rows": "rows",
        "images": "images",
        "one of rows": "row",
        "one of images": "image",
        "row": "row {row}",
        "title": "What {model} finds in {data}",
        "lead": "Of {counted} {flagged} are flagged, {share} ({low} to {high} with 95 percent confidence). "
        "Of normal ones about {alpha} would be.",
        "none": "Of {counted} none is flagged. Of normal ones about {alpha} would be.",
        "scores": "Scores",
        "score": "anomaly score",
        "share of kind": "share of its kind",
        "threshold": "threshold",
        "usual": "not flagged",
        "flagged": "flagged",
        "causes": "What they have in common",
        "causes of some": "Of the {counted} with the highest scores of all that are flagged:",
        "cause": "{counted}, such as {place}: {what}",
        "anything else": "anything else",
        "typical": "{name} (typically {found}, where {expected} would be expected)",
        "typical alone": "{name} (typically {found})",
        "and": " and ",
        "top": "The highest scores",
        "place": "where",
        "p": "p-value",
        "terms": "made of",
        "reasons": "why",
        "members differ": "members differ by {spread}",
        "method": "How reasons are found: {method}.",
        "range": "{name} is {found}; in rows like this it is {low} to {high}",
        "expected": "{name} is {found}, where {expected} would be expected",
        "odd": "{name} is {found}, unusual in rows like this",
        "missing": "missing",
        "tail": " (as far off in at most {tail} of normal rows)",
        "region": "strange at {name}: {weight} of what is strange",
        "image": "the image",
        "rebuilt": "as it would be expected",
        "heat": "where it is strange",
        "nearest": "the normal images most like it",
        "health": "Health of the training",
        "well": "Training ended well: nothing to report.",
        "training": "Loss of {name}",
        "step": "step",
        "loss": "loss of {name}",
        "card": "The model",
        "facts": "Parameters, seed, versions, data",
        "again": "Make it again",
    },
    "ja": {
        "rows": "行",
        "images": "枚の画像",
        "one of rows": "行",
        "one of images": "枚の画像",
        "row": "行 {row}",
        "title": "{model} が {data} で見つけたもの",
        "lead": "{counted}のうち {flagged} 件に異常の印が付きました。割合は {share}(95% 信頼区間 {low}〜{high})です。"
        "正常なデータで印が付く割合は約 {alpha} です。",
        "none": "{counted}のうち、異常の印が付いたものはありません。正常なデータで印が付く割合は約 {alpha} です。",
        "scores": "スコアの分布",
        "score": "異常スコア",
        "share of kind": "それぞれの中での割合",
        "threshold": "しきい値",
        "usual": "印なし",
        "flagged": "印あり",
        "causes": "共通する原因",
        "causes of some": "印が付いたもののうち、スコアの高い {counted}について:",
        "cause": "{counted}({place} など): {what}",
        "anything else": "その他",
        "typical": "{name}(代表値 {found}、予想は {expected})",
        "typical alone": "{name}(代表値 {found})",
        "and": "、",
        "top": "スコアの高いもの",
        "place": "場所",
        "p": "p 値",
        "terms": "内訳",
        "reasons": "理由",
        "members differ": "メンバー間の差 {spread}",
        "method": "理由の求め方: {method}",
        "range": "{name} は {found} です。このような行では通常 {low}〜{high} です",
        "expected": "{name} は {found} です。予想は {expected} です",
        "odd": "{name} は {found} です。このような行では珍しい値です",
        "missing": "欠損",
        "tail": "(これほど離れる正常な行は {tail} 以下)",
        "region": "{name}が異常です(異常さの {weight})",
        "image": "画像",
        "rebuilt": "予想される画像",
        "heat": "異常な場所",
        "nearest": "最も似た正常な画像",
        "health": "学習の状態",
        "well": "学習は正常に終わりました。報告することはありません。",
        "training": "{name} の損失",
        "step": "ステップ",
        "loss": "{name} の損失",
        "card": "モデル",
        "facts": "パラメータ、シード、バージョン、データ",
        "again": "再現するには",
    },
}
PLACES = {  # regions of images, as `egbad.explain.grouping` names them
    "ja": {"upper": "上", "middle": "中段", "lower": "下", "left": "左", "centre": "中央", "right": "右"},
}


class Messages:
    """Sentences in one language.

    Raises
    ------
    InvalidInputError
        For a language that it doesn't speak.
    """

    def __init__(self, language: str) -> None:
        if language not in LANGUAGES:
            raise unknown("language", language, tuple(LANGUAGES))
        self.language = language

    def __call__(self, phrase: str, **values: object) -> str:
        """A phrase by its key, with values put in."""
        return LANGUAGES[self.language][phrase].format(**values)

    def counted(self, n: int, kind: str) -> str:
        """So many rows or images.

        >>> Words("en").counted(1, "rows"), Words("en").counted(1200, "images")
        ('1 row', '1,200 images')
        """
        return f"{n:,} {self(kind if n != 1 else f'one of {kind}')}"

    def place(self, place: RowLocation) -> str:
        """Where a row or an image was found."""
        parts = [] if place.file is None else [place.file]
        return ", ".join(parts if place.row is None else [*parts, self("row", row=f"{place.row:,}")])

    def region(self, name: str) -> str:
        """A region of an image."""
        known = PLACES.get(self.language)
        return name if known is None else "".join(known[word] for word in reversed(name.split()))

    def reason(self, reason: Reason, kind: str) -> str:
        """Why a row is strange by one of its columns, which is of `kind`, without a full stop.

        >>> Words("en").reason(Reason("src_bytes", 1.0, 54540.0, 200.0, 0.0, 310.0), "number")
        'src_bytes is 54,540; in rows like this it is 0 to 310'
        """
        found = self.value(kind, reason.observed)
        tail = "" if reason.p_value is None or reason.p_value > 0.5 else self("tail", tail=percent(reason.p_value))
        known = reason.low is not None and reason.high is not None
        outside = reason.observed is None or not known or not reason.low <= reason.observed <= reason.high
        if known and outside and reason.low != reason.high:
            low, high = self.value(kind, reason.low), self.value(kind, reason.high)
            return self("range", name=reason.column, found=found, low=low, high=high) + tail
        expected = self.value(kind, reason.expected)
        if reason.expected is None or expected == found:
            return self("odd", name=reason.column, found=found) + tail
        return self("expected", name=reason.column, found=found, expected=expected) + tail

    def cause(self, cause: ExplanationGroup, kinds: Mapping[str, str]) -> str:
        """What a group of rows or images has in common."""
        if not cause.names:
            return self("anything else")
        if not cause.observed:
            return self("and").join(
                f"{self.region(name)} ({percent(weight)})"
                for name, weight in zip(cause.names, cause.weights, strict=True)
            )
        return self("and").join(
            self._typical(name, kinds.get(name, "number"), found, expected)
            for name, found, expected in zip(cause.names, cause.observed, cause.expected, strict=True)
        )

    def _typical(self, name: str, kind: str, found: object, expected: object) -> str:
        shown = self.value(kind, found)
        if expected is None:
            return self("typical alone", name=name, found=shown)
        return self("typical", name=name, found=shown, expected=self.value(kind, expected))

    def value(self, kind: str, value: object) -> str:
        """A value as a sentence has it."""
        return self("missing") if value is None else describe_value(kind, value)

    def terms(self, terms: Mapping[str, float], spread: float | None) -> str:
        """What a score is made of."""
        parts = [f"{name} {value:.3g}" for name, value in terms.items()]
        return ", ".join([*parts, *([] if spread is None else [self("members differ", spread=f"{spread:.2g}")])])


def percent(share: float) -> str:
    """A share in [0, 1], with two digits that count.

    >>> percent(0.5), percent(0.0123), percent(0.00001), percent(0.0)
    ('50%', '1.2%', '0.001%', '0%')
    """
    return f"{float(f'{100 * share:.2g}'):.10g}%"
