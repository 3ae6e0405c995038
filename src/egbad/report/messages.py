"""Messages of the findings report in English and Japanese."""

from collections.abc import Mapping

from egbad.data.column_types import describe_value
from egbad.errors import unknown
from egbad.explain.explanation import Reason
from egbad.explain.grouping import ExplanationGroup
from egbad.report.findings import RowLocation

ENGLISH: Mapping[str, str] = {
    "title": "Anomaly report: {data}",
    "model": "Model: {model}",
    "one_rows": "{n} row",
    "many_rows": "{n} rows",
    "one_images": "{n} image",
    "many_images": "{n} images",
    "number_rows": "{n}",
    "number_images": "{n}",
    "flagged_one": "{flagged} of {total} is flagged",
    "flagged_many": "{flagged} of {total} are flagged",
    "flagged_share": " ({share}, 95% confidence interval {low} to {high}).",
    "flagged_none_rows": "None of {total} are flagged.",
    "flagged_none_images": "None of {total} are flagged.",
    "expected": "If all {total} were normal, about {expected} would be flagged at alpha = {alpha}.",
    "expected_below_one": "If all {total} were normal, fewer than {expected} would be flagged at alpha = {alpha}.",
    "scores": "Score distribution",
    "score": "anomaly score",
    "group_share": "share of each group",
    "threshold": "threshold",
    "not_flagged": "not flagged",
    "flagged": "flagged",
    "groups_rows": "Groups of flagged rows",
    "groups_images": "Groups of flagged images",
    "groups_note": "Flagged {kind} with similar explanations form a group. The largest group comes first.",
    "groups_partial": "Only the {counted} with the highest scores are grouped.",
    "kind_rows": "rows",
    "kind_images": "images",
    "group": "{counted}, for example {location}: {features}",
    "group_rest": "other explanations",
    "typical": "{name} (typical value {observed}, expected {expected})",
    "typical_alone": "{name} (typical value {observed})",
    "space": " ",
    "and": " and ",
    "weighted": "{name} ({weight})",
    "top": "Highest scores",
    "top_note": "The p-value is the estimated probability that a normal example scores this high.",
    "row_note": "Row numbers start at 0.",
    "location": "location",
    "row": "row {row}",
    "p_value": "p-value",
    "terms": "score terms",
    "reasons": "reasons",
    "spread": "standard deviation over members {spread}",
    "method": "Attribution method: {method}.",
    "observed": "{name} is {observed}",
    "observed_missing": "{name} is missing",
    "range": "; similar normal rows have {low} to {high}",
    "expected_value": "; expected {expected}",
    "unusual": ", which is unusual for similar rows",
    "tail": " (at most {tail} of normal rows deviate this much)",
    "missing": "missing",
    "region": "Largest deviation: {name} ({weight} of the total)",
    "image": "image",
    "expected_image": "expected image",
    "anomaly_map": "anomaly map",
    "nearest": "most similar normal images",
    "health": "Training health",
    "health_ok": "Training finished without problems.",
    "training": "Training loss: {name}",
    "step": "step",
    "loss": "loss ({name})",
    "details": "Model and data",
    "facts": "Parameters, seed, versions and data",
    "command": "Reproduce this report",
}

JAPANESE: Mapping[str, str] = {
    "title": "異常検知レポート：{data}",
    "model": "モデル：{model}",
    "one_rows": "{n} 行",
    "many_rows": "{n} 行",
    "one_images": "画像 {n} 枚",
    "many_images": "画像 {n} 枚",
    "number_rows": "{n} 行",
    "number_images": "{n} 枚",
    "flagged_one": "{total}のうち {flagged}を異常と判定しました",
    "flagged_many": "{total}のうち {flagged}を異常と判定しました",
    "flagged_share": "（{share}、95% 信頼区間 {low}〜{high}）。",
    "flagged_none_rows": "{total}のうち、異常と判定された行はありません。",
    "flagged_none_images": "{total}のうち、異常と判定された画像はありません。",
    "expected": "{total}がすべて正常な場合、alpha = {alpha} では約 {expected}が異常と判定されます。",
    "expected_below_one": "{total}がすべて正常な場合、alpha = {alpha} で異常と判定されるのは {expected}未満です。",
    "scores": "スコアの分布",
    "score": "異常スコア",
    "group_share": "各グループ内の割合",
    "threshold": "しきい値",
    "not_flagged": "正常と判定",
    "flagged": "異常と判定",
    "groups_rows": "異常と判定された行のグループ",
    "groups_images": "異常と判定された画像のグループ",
    "groups_note": "判定の理由が似ている{kind}をグループにまとめ、数の多い順に示します。",
    "groups_partial": "スコアの高い {counted}のみを対象にしています。",
    "kind_rows": "行",
    "kind_images": "画像",
    "group": "{counted}（例：{location}）：{features}",
    "group_rest": "その他の理由",
    "typical": "{name}（代表値 {observed}、予測値 {expected}）",
    "typical_alone": "{name}（代表値 {observed}）",
    "space": "",
    "and": "、",
    "weighted": "{name}（{weight}）",
    "top": "スコアの高い順",
    "top_note": "p 値は、正常なデータのスコアがこの値以上になる確率の推定値です。",
    "row_note": "行番号は 0 から始まります。",
    "location": "位置",
    "row": "行 {row}",
    "p_value": "p 値",
    "terms": "スコアの内訳",
    "reasons": "理由",
    "spread": "メンバー間の標準偏差 {spread}",
    "method": "寄与度の計算方法：{method}",
    "observed": "{name} は {observed} です",
    "observed_missing": "{name} が欠損しています",
    "range": "。似た正常な行では {low}〜{high} です",
    "expected_value": "。予測値は {expected} です",
    "unusual": "。似た行では珍しい値です",
    "tail": "（これほど外れる正常な行は {tail} 以下です）",
    "missing": "欠損",
    "region": "最も異常な領域：{name}（全体の {weight}）",
    "image": "画像",
    "expected_image": "予測された画像",
    "anomaly_map": "異常マップ",
    "nearest": "最も似ている正常な画像",
    "health": "学習の状態",
    "health_ok": "学習は問題なく完了しました。",
    "training": "学習時の損失：{name}",
    "step": "ステップ",
    "loss": "損失（{name}）",
    "details": "モデルとデータ",
    "facts": "パラメータ、乱数シード、バージョン、データ",
    "command": "このレポートを再現するコマンド",
}


CATALOGUES: Mapping[str, Mapping[str, str]] = {"en": ENGLISH, "ja": JAPANESE}

# The words of `egbad.explain.grouping.REGIONS`. English names need no translation.
REGION_WORDS: Mapping[str, Mapping[str, str]] = {
    "ja": {"upper": "上", "middle": "中段", "lower": "下", "left": "左", "centre": "中央", "right": "右"},
}


class Messages:
    """Messages in one language.

    Parameters
    ----------
    language : {"en", "ja"}

    Raises
    ------
    InvalidInputError
        If the language is unknown.

    Examples
    --------
    >>> Messages("en")("row", row="12")
    'row 12'
    """

    def __init__(self, language: str) -> None:
        if language not in CATALOGUES:
            raise unknown("language", language, tuple(CATALOGUES))
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        """Format a message.

        Parameters
        ----------
        key : str
            A key of the catalogue.
        **values : object
            Values of the placeholders.

        Returns
        -------
        str
        """
        return CATALOGUES[self.language][key].format(**values)

    def counted(self, n: int, kind: str) -> str:
        """Format a number of rows or images with its noun.

        Parameters
        ----------
        n : int
        kind : {"rows", "images"}

        Returns
        -------
        str

        Examples
        --------
        >>> Messages("en").counted(1, "rows"), Messages("en").counted(1200, "images")
        ('1 row', '1,200 images')
        """
        return self(f"one_{kind}" if n == 1 else f"many_{kind}", n=f"{n:,}")

    def location(self, location: RowLocation) -> str:
        """Format the location of a row or an image.

        Parameters
        ----------
        location : RowLocation

        Returns
        -------
        str

        Examples
        --------
        >>> Messages("en").location(RowLocation("new.csv", 1200))
        'new.csv, row 1,200'
        """
        parts = [] if location.file is None else [location.file]
        return ", ".join(parts if location.row is None else [*parts, self("row", row=f"{location.row:,}")])

    def region(self, name: str) -> str:
        """Translate the name of a region of an image.

        Parameters
        ----------
        name : str
            One of `egbad.explain.grouping.REGIONS`.

        Returns
        -------
        str
        """
        words = REGION_WORDS.get(self.language)
        return name if words is None else "".join(words[word] for word in reversed(name.split()))

    def reason(self, reason: Reason, column_type: str) -> str:
        """Explain the part of one column in a row's score.

        Parameters
        ----------
        reason : Reason
        column_type : str
            Type of the column.

        Returns
        -------
        str
            A sentence without a full stop.

        Examples
        --------
        >>> Messages("en").reason(Reason("src_bytes", 1.0, 54540.0, 200.0, 0.0, 310.0), "number")
        'src_bytes is 54,540; similar normal rows have 0 to 310'
        """
        observed = self.value(column_type, reason.observed)
        expected = self.value(column_type, reason.expected)
        subject = self(
            "observed_missing" if reason.observed is None else "observed", name=reason.column, observed=observed
        )
        tail = "" if reason.p_value is None or reason.p_value > 0.5 else self("tail", tail=percent(reason.p_value))
        if _is_outside_range(reason):
            low, high = self.value(column_type, reason.low), self.value(column_type, reason.high)
            return subject + self("range", low=low, high=high) + tail
        if reason.expected is None or expected == observed:
            return subject + self("unusual") + tail
        return subject + self("expected_value", expected=expected) + tail

    def group(self, group: ExplanationGroup, column_types: Mapping[str, str]) -> str:
        """Describe the columns or regions that a group of rows or images has in common.

        Parameters
        ----------
        group : ExplanationGroup
        column_types : mapping of str to str
            Column types by name. Columns that are not listed hold numbers.

        Returns
        -------
        str
        """
        if not group.names:
            return self("group_rest")
        if not group.observed:
            return self("and").join(
                self("weighted", name=self.region(name), weight=percent(weight))
                for name, weight in zip(group.names, group.weights, strict=True)
            )
        return self("and").join(
            self._typical(name, column_types.get(name, "number"), observed, expected)
            for name, observed, expected in zip(group.names, group.observed, group.expected, strict=True)
        )

    def _typical(self, name: str, column_type: str, observed: object, expected: object) -> str:
        """Format the typical and the expected value of a column in a group."""
        shown = self.value(column_type, observed)
        if expected is None:
            return self("typical_alone", name=name, observed=shown)
        return self("typical", name=name, observed=shown, expected=self.value(column_type, expected))

    def value(self, column_type: str, value: object) -> str:
        """Format a value of a column.

        Parameters
        ----------
        column_type : str
        value : object
            None if the value is missing.

        Returns
        -------
        str
        """
        return self("missing") if value is None else describe_value(column_type, value)

    def terms(self, terms: Mapping[str, float], spread: float | None) -> str:
        """Format the terms of a score, and its spread over members if it is known.

        Parameters
        ----------
        terms : mapping of str to float
        spread : float or None

        Returns
        -------
        str

        Examples
        --------
        >>> Messages("en").terms({"residual": 0.51234, "features": 2.0}, 0.1)
        'residual 0.512, features 2, standard deviation over members 0.1'
        """
        parts = [f"{name} {value:.3g}" for name, value in terms.items()]
        return ", ".join(parts if spread is None else [*parts, self("spread", spread=f"{spread:.2g}")])


def _is_outside_range(reason: Reason) -> bool:
    """Return True if the range of normal values is known and the value is missing or lies outside."""
    if reason.low is None or reason.high is None or reason.low == reason.high:
        return False
    return reason.observed is None or not reason.low <= reason.observed <= reason.high


def percent(share: float) -> str:
    """Format a share in [0, 1] as a percentage with two significant digits.

    Parameters
    ----------
    share : float

    Returns
    -------
    str

    Examples
    --------
    >>> percent(0.5), percent(0.0123), percent(0.00001), percent(0.0)
    ('50%', '1.2%', '0.001%', '0%')
    """
    return f"{float(f'{100 * share:.2g}'):.10g}%"
