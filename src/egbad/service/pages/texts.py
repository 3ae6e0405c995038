"""Texts of the pages in English and Japanese."""

from collections.abc import Mapping

from starlette.requests import Request

_ENGLISH: Mapping[str, str] = {
    "title": "egbad",
    "review": "Review",
    "summary": "Summary",
    "try": "Try",
    "skip": "Skip to the content",
    "pages": "Pages",
    "other_language": "日本語",
    "sign_out": "Sign out",
    "error": "Error",
    "back": "Back to the queue",
    "no_store": "Scores are not stored: start the service with --store reviews.db to review what it flags.",
    "no_store_keep": "With --keep flagged it also keeps the rows and images that it flags.",
    # Forms
    "form_expired": "The form is no longer valid. Reload the page and repeat.",
    "form_type": "A form must be application/x-www-form-urlencoded, got another one.",
    "form_large": "A form must have at most {n} fields, got more.",
    "text_long": "{name} must have at most {n} characters, got {found}. Make it shorter.",
    "unreachable": "The service does not answer. Repeat when it runs again.",
    # Signing in
    "sign_in": "Sign in",
    "token": "Token",
    "token_needed": "This page needs a token of the role “{role}” or “admin”. The browser does not keep the token, "
    "only a session of 12 hours.",
    "token_wrong": "The token is not valid. Check it and try again.",
    # The queue
    "queue": "Flagged items",
    "show": "Show",
    "waiting": "Not reviewed",
    "confirmed": "Confirmed",
    "dismissed": "Dismissed",
    "order": "Order",
    "order_score": "Highest score first",
    "order_newest": "Newest first",
    "model": "Model",
    "all_models": "All models",
    "key_contains": "Key contains",
    "apply": "Apply",
    "reviewer": "Your name",
    "save": "Save",
    "shortcuts": "Keys",
    "shortcuts_help": "confirm, dismiss, undo, next and previous item",
    "empty": "Nothing here. New flagged items appear when the page is loaded again.",
    "empty_filtered": "No item fits the filter.",
    "more": "More items",
    "first": "Back to the first items",
    "score": "Score",
    "p_value": "p-value",
    "time": "Time",
    "unnamed": "Item {id}",
    "image_of": "Image of {key}",
    "row_of": "Values of {key}",
    "more_values": "and {n} more",
    "not_kept": "The row or image is not kept (--keep).",
    "missing": "missing",
    "note": "Note",
    "confirm": "Confirm",
    "confirm_hint": "It is an anomaly",
    "dismiss": "Dismiss",
    "dismiss_hint": "It is a false alarm",
    "undo": "Undo",
    "status_confirmed": "Confirmed as an anomaly",
    "status_dismissed": "Dismissed as a false alarm",
    "status_undone": "Review undone",
    "by": "by {reviewer}",
    "anonymous": "somebody without a name",
    "announce": "{key}: {status}.",
    # One item
    "history": "Reviews",
    "no_history": "Not reviewed yet.",
    "history_confirmed": "confirmed",
    "history_dismissed": "dismissed",
    "history_undone": "review undone",
    "explanation": "Why it has this score",
    "explanation_late": "The explanation was not ready in time.",
    "model_gone": "The model that scored this item is not served any more: it cannot explain the score.",
    "column": "Column",
    "value": "Value",
    "expected": "Expected",
    "usual": "Similar normal rows",
    "share": "Share of the score",
    "row": "All values",
    "score_chart": "Score of this item among normal calibration scores",
    "calibration_count": "calibration scores",
    "threshold": "threshold",
    "this_score": "this item",
    "request": "Request",
    # The summary
    "precision": "Precision",
    "precision_note": "Precision is the share of confirmed items among the reviewed ones. The interval holds for all flagged "
    "items if the reviewed ones are a random sample of them.",
    "no_reviews": "no reviews",
    "interval": "95% interval {low} to {high}",
    "scored": "Scored",
    "flagged": "Flagged",
    "missed": "Missed",
    "flagged_share": "Share flagged",
    "above_alpha": "more than alpha: anomalies, or changed data",
    "below_alpha": "less than alpha",
    "like_alpha": "in line with alpha",
    "by_model": "By model",
    "by_day": "Flagged items of the last {n} days",
    "no_days": "Nothing was scored in the last {n} days.",
    "daily_chart": "Flagged items by day and review",
    "day_utc": "day (UTC)",
    "flagged_items": "flagged items",
    "day": "Day",
    "as_table": "As a table",
    "no_scores": "Nothing was scored yet.",
    # The page "Try"
    "try_note": "Score a table or images with a model. Nothing is stored.",
    "try_drop": "Drop images or a table (CSV, TSV, Parquet) anywhere on this page, or choose files:",
    "try_paste": "Paste rows",
    "try_csv": "Rows as CSV, with the names of the columns in the first line",
    "try_score": "Score",
    "try_noscript": "Files need JavaScript; rows can be pasted without it.",
    "try_rows": "Pasted rows",
    "try_results": "Scores",
    "try_count": "{flagged} of {total} flagged.",
    "try_top": "the {n} highest scores",
    "try_number": "Number",
    "try_flagged": "flagged",
    "try_normal": "not flagged",
    "try_no_models": "No model is served.",
    "kind_rows": "rows",
    "kind_images": "images",
    "no_item": "There is no item {id} in the store.",
}

_JAPANESE: Mapping[str, str] = {
    "title": "egbad",
    "review": "レビュー",
    "summary": "集計",
    "try": "試す",
    "skip": "本文へ移動",
    "pages": "ページ",
    "other_language": "English",
    "sign_out": "サインアウト",
    "error": "エラー",
    "back": "一覧に戻る",
    "no_store": "スコアは保存されていません。レビューするには、--store reviews.db を付けてサービスを起動してください。",
    "no_store_keep": "--keep flagged も付けると、異常と判定された行や画像も保存されます。",
    "form_expired": "フォームの有効期限が切れました。ページを再読み込みしてやり直してください。",
    "form_type": "フォームは application/x-www-form-urlencoded で送信してください。",
    "form_large": "フォームの項目は {n} 個以下にしてください。",
    "text_long": "{name}は {n} 文字以下にしてください（現在 {found} 文字）。",
    "unreachable": "サービスが応答しません。起動を確認してからやり直してください。",
    "sign_in": "サインイン",
    "token": "トークン",
    "token_needed": "このページには、ロールが「{role}」または「admin」のトークンが必要です。"
    "ブラウザーにはトークンではなく、12 時間有効なセッションだけが保存されます。",
    "token_wrong": "トークンが正しくありません。確認してやり直してください。",
    "queue": "異常と判定された項目",
    "show": "表示",
    "waiting": "未確認",
    "confirmed": "異常と確認",
    "dismissed": "誤検知",
    "order": "並び順",
    "order_score": "スコアの高い順",
    "order_newest": "新しい順",
    "model": "モデル",
    "all_models": "すべてのモデル",
    "key_contains": "キーに含まれる文字",
    "apply": "適用",
    "reviewer": "レビュー担当者名",
    "save": "保存",
    "shortcuts": "キー操作",
    "shortcuts_help": "異常と確認、誤検知、取り消し、次の項目、前の項目",
    "empty": "項目はありません。新しく判定された項目は、ページを再読み込みすると表示されます。",
    "empty_filtered": "条件に合う項目はありません。",
    "more": "さらに表示",
    "first": "最初の項目に戻る",
    "score": "スコア",
    "p_value": "p 値",
    "time": "時刻",
    "unnamed": "項目 {id}",
    "image_of": "{key} の画像",
    "row_of": "{key} の値",
    "more_values": "他 {n} 列",
    "not_kept": "行や画像は保存されていません（--keep）。",
    "missing": "欠損",
    "note": "メモ",
    "confirm": "異常と確認",
    "confirm_hint": "本当の異常です",
    "dismiss": "誤検知",
    "dismiss_hint": "異常ではありません",
    "undo": "取り消す",
    "status_confirmed": "異常と確認しました",
    "status_dismissed": "誤検知としました",
    "status_undone": "レビューを取り消しました",
    "by": "担当：{reviewer}",
    "anonymous": "名前なし",
    "announce": "{key}：{status}。",
    "history": "レビュー履歴",
    "no_history": "まだレビューされていません。",
    "history_confirmed": "異常と確認",
    "history_dismissed": "誤検知",
    "history_undone": "取り消し",
    "explanation": "スコアの理由",
    "explanation_late": "時間内に説明を計算できませんでした。",
    "model_gone": "この項目を判定したモデルは現在提供されていないため、スコアを説明できません。",
    "column": "列",
    "value": "値",
    "expected": "予測値",
    "usual": "似た正常な行",
    "share": "スコアに占める割合",
    "row": "すべての値",
    "score_chart": "正常な較正データのスコアとこの項目のスコア",
    "calibration_count": "較正スコアの数",
    "threshold": "しきい値",
    "this_score": "この項目",
    "request": "リクエスト",
    "precision": "適合率",
    "precision_note": "適合率は、レビュー済みの項目のうち異常と確認されたものの割合です。"
    "レビュー済みの項目が無作為に選ばれている場合、信頼区間は異常と判定されたすべての項目に当てはまります。",
    "no_reviews": "レビューなし",
    "interval": "95% 信頼区間 {low}〜{high}",
    "scored": "判定数",
    "flagged": "異常判定",
    "missed": "見逃し",
    "flagged_share": "異常判定の割合",
    "above_alpha": "alpha より多い：異常の増加、またはデータの変化",
    "below_alpha": "alpha より少ない",
    "like_alpha": "alpha と同程度",
    "by_model": "モデル別",
    "by_day": "過去 {n} 日間に異常と判定された項目",
    "no_days": "過去 {n} 日間に判定された項目はありません。",
    "daily_chart": "日別・レビュー結果別の異常判定数",
    "day_utc": "日（UTC）",
    "flagged_items": "異常判定数",
    "day": "日",
    "as_table": "表で見る",
    "no_scores": "判定された項目はまだありません。",
    "try_note": "モデルで表や画像を判定します。結果は保存されません。",
    "try_drop": "画像または表（CSV、TSV、Parquet）をこのページにドロップするか、ファイルを選んでください：",
    "try_paste": "行を貼り付ける",
    "try_csv": "CSV 形式の行（1 行目は列名）",
    "try_score": "判定する",
    "try_noscript": "ファイルの判定には JavaScript が必要です。行の貼り付けには必要ありません。",
    "try_rows": "貼り付けた行",
    "try_results": "判定結果",
    "try_count": "{total} 件のうち {flagged} 件を異常と判定しました。",
    "try_top": "スコアの高い {n} 件",
    "try_number": "番号",
    "try_flagged": "異常",
    "try_normal": "正常",
    "try_no_models": "提供されているモデルはありません。",
    "kind_rows": "行",
    "kind_images": "画像",
    "no_item": "項目 {id} は保存されていません。",
}

CATALOGUES: Mapping[str, Mapping[str, str]] = {"en": _ENGLISH, "ja": _JAPANESE}


class Texts:
    """Texts in one language.

    Parameters
    ----------
    language : {"en", "ja"}

    Examples
    --------
    >>> Texts("en")("unnamed", id=7)
    'Item 7'
    """

    def __init__(self, language: str) -> None:
        self.language = language

    @property
    def other(self) -> str:
        """Return the other language."""
        return "en" if self.language == "ja" else "ja"

    def __call__(self, key: str, /, **values: object) -> str:
        """Return a text.

        Parameters
        ----------
        key : str
        **values : object
            Values of the placeholders.

        Returns
        -------
        str
        """
        return CATALOGUES[self.language][key].format(**values)


def choose_language(request: Request) -> str:
    """Return the language of the parameter `lang`, or the first known one that the browser accepts.

    Parameters
    ----------
    request : Request

    Returns
    -------
    str
    """
    given = request.query_params.get("lang", "")
    if given in CATALOGUES:
        return given
    accepted = request.headers.get("accept-language", "")[:200].split(",")
    names = [part.strip().lower()[:2] for part in sorted(accepted, key=_quality, reverse=True)]
    return next((name for name in names if name in CATALOGUES), "en")


def _quality(part: str) -> float:
    """Return the weight of a language in the header Accept-Language."""
    weight = part.partition(";q=")[2].strip()
    return float(weight) if weight.replace(".", "", 1).isdecimal() and weight.isascii() else 1.0
