"""Sentences that the HTML and the Markdown form of a findings report share."""

from egbad.report.findings import Finding, FindingsReport
from egbad.report.messages import Messages, percent
from egbad.scoring.calibration import required_rows


class FindingsText:
    """Sentences of a findings report in one language.

    Parameters
    ----------
    report : FindingsReport
    language : {"en", "ja"}

    Raises
    ------
    InvalidInputError
        If the language is unknown.
    """

    def __init__(self, report: FindingsReport, language: str) -> None:
        self.report = report
        self.messages = Messages(language)

    @property
    def title(self) -> str:
        """Title of the page."""
        return self.messages("title", data=self.report.data_name)

    @property
    def summary(self) -> str:
        """Number of flagged rows, its confidence interval, and the number expected for normal data."""
        return self._join(self._flagged(), self._expected())

    def _join(self, *sentences: str) -> str:
        """Join sentences as the language does it."""
        return self.messages("space").join(sentences)

    def _flagged(self) -> str:
        """Say how many rows are flagged."""
        report, messages = self.report, self.messages
        total = messages.counted(report.n_samples, report.kind)
        if not report.n_flagged:
            return messages(f"flagged_none_{report.kind}", total=total)
        low, high = report.interval
        flagged = messages(f"number_{report.kind}", n=f"{report.n_flagged:,}")
        key = "flagged_one" if report.n_flagged == 1 else "flagged_many"
        share = messages("flagged_share", share=percent(report.flagged_share), low=percent(low), high=percent(high))
        return messages(key, flagged=flagged, total=total) + share

    def _expected(self) -> str:
        """Say how many rows would be flagged in normal data, and if there are too few calibration rows for alpha."""
        report, messages = self.report, self.messages
        expected = report.false_alarm_rate * report.n_samples
        key = "expected_below_one" if expected < 1 else "expected"
        number = messages(f"number_{report.kind}", n=f"{max(expected, 1):,.0f}")
        total = messages.counted(report.n_samples, report.kind)
        basis, alpha = "basis_alpha", f"{report.alpha:g}"
        if report.has_own_threshold:
            basis = "basis_threshold"
        elif report.calibration_rows < required_rows(report.alpha):
            basis = "basis_few"
        calibration = messages.counted(report.calibration_rows, report.kind)
        return messages(key, total=total, expected=number, basis=messages(basis, alpha=alpha, calibration=calibration))

    @property
    def groups_note(self) -> str:
        """Explanation of the groups. Says so if only a part of the flagged rows is grouped."""
        report, messages = self.report, self.messages
        note = messages("groups_note", kind=messages(f"kind_{report.kind}"))
        if report.n_explained == report.n_flagged:
            return note
        counted = messages.counted(report.n_explained, report.kind)
        return self._join(note, messages("groups_partial", counted=counted))

    @property
    def groups(self) -> list[str]:
        """A line for each group of flagged rows."""
        report, messages = self.report, self.messages
        return [
            messages(
                "group",
                counted=messages.counted(len(group.rows), report.kind),
                location=messages.location(report.flagged_locations[group.rows[0]]),
                features=messages.group(group, report.column_types),
            )
            for group in report.groups
        ]

    @property
    def top_note(self) -> str:
        """Explanation of the p-value and of row numbers."""
        note = self.messages("top_note")
        return note if self.report.kind == "images" else self._join(note, self.messages("row_note"))

    def values(self, finding: Finding) -> list[tuple[str, str]]:
        """Return the name and the value of each column of a finding.

        Parameters
        ----------
        finding : Finding

        Returns
        -------
        list of (str, str)
            Empty for an image.
        """
        types = self.report.column_types
        return [(name, self.messages.value(types.get(name, "number"), v)) for name, v in finding.values.items()]

    def reasons(self, finding: Finding) -> list[str]:
        """Return a sentence for each reason or region of a finding.

        Parameters
        ----------
        finding : Finding

        Returns
        -------
        list of str
        """
        messages = self.messages
        if self.report.kind == "images":
            return [messages.anomalous_region(region) for region in finding.regions]
        types = self.report.column_types
        return [messages.reason(reason, types.get(reason.column, "number")) for reason in finding.reasons]
