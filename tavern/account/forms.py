"""Who logs in, and a new password."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm


class LoginForm(AuthenticationForm):
    error_messages = {
        "invalid_login": "Name and password do not belong together; both tell small letters from capitals.",
        "inactive": "Name and password do not belong together; both tell small letters from capitals.",
    }


class NewPasswordForm(PasswordChangeForm):
    """One of several forms of its page, so that it does not draw the focus."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.fields["old_password"].widget.attrs.pop("autofocus", None)
