"""File capabilities as setcap writes them."""

from __future__ import annotations

import pytest

from rootstream.formats.capability import capability_xattr


@pytest.mark.parametrize(
    ("text", "value"),
    [  # the values are what setcap and `getfattr -e hex` show
        ("cap_net_raw+ep", "0100000200200000000000000000000000000000"),
        ("cap_net_raw,cap_net_admin+ep", "0100000200300000000000000000000000000000"),
        ("cap_net_raw,cap_setfcap,cap_checkpoint_restore+ep", "0100000200200080000000000001000000000000"),
        ("cap_net_bind_service=p", "0000000200040000000000000000000000000000"),
        ("CAP_CHOWN=ei cap_kill+ei", "0100000200000000210000000000000000000000"),
        ("cap_chown=ep cap_kill+ep cap_kill-ep", "0100000201000000000000000000000000000000"),
        ("=ep", "01000002ffffffff00000000ff01000000000000"),
        ("all=p cap_chown-p", "00000002feffffff00000000ff01000000000000"),
    ],
)
def test_text_to_value(text: str, value: str) -> None:
    assert capability_xattr(text).hex() == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no capabilities"),
        ("cap_net_raw", "not a capability clause"),
        ("cap_fly+ep", "'cap_fly' is not a capability"),
        ("net_raw+ep", "'net_raw' is not a capability"),
        ("+ep", "'nothing' is not a capability"),
        ("cap_chown+ep cap_kill+p", "all effective or none"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        capability_xattr(text)
