"""report.py - a report of ours (RFC 3464) as programs see it."""
import email
import email.policy


class Report:
    """A message taken apart by Python's email package, which finds nothing
    wrong with it."""
    def __init__(self, message):
        self.raw = message.text
        m = email.message_from_bytes(message.text, policy=email.policy.SMTP)
        assert m.get_content_type() == "multipart/report"
        assert m.get_param("report-type") == "delivery-status"
        assert m["Auto-Submitted"] == "auto-replied"
        parts = list(m.iter_parts())
        for part in [m] + parts:
            assert not part.defects, part.defects
        assert len(parts) == 3
        self.subject = m["Subject"]
        self.text = parts[0].get_content()
        self.original = parts[2]
        first, *rest = parts[1].get_payload()
        self.message = dict(first.items())
        self.recipients = {
            r["Final-Recipient"].partition(";")[2].strip(): dict(r.items())
            for r in rest}
        assert max(map(len, message.text.split(b"\n"))) <= 998

    def actions(self):
        return {name: r["Action"] for name, r in self.recipients.items()}
