"""`gifcue token`: makes keys and tokens (docs/access.md)."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gifcue.cli.console import err, print_json
from gifcue.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gifcue.access.grants import Scope

app = typer.Typer(
    add_completion=False,
    rich_markup_mode="markdown",
    no_args_is_help=True,
    help="Make the keys and tokens of callers (docs/access.md).",
)

_HOUR_S = 3600.0

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name in the keys file.")]
Keys = Annotated[
    Path | None,
    typer.Option("--keys", metavar="FILE", help="Add it to this keys file. Without, the entry is printed."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write the secret to a new file. Without, it is printed."),
]
Scopes = Annotated[
    list[str],
    typer.Option("--scope", metavar="SCOPE", help="stream, annotate, observe or operate; may be repeated."),
]
Rooms = Annotated[
    list[str] | None,
    typer.Option("--room", metavar="ROOM", help="A room, or a prefix that ends with *; may be repeated."),
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label", metavar="LABEL", help="A label; may be repeated. By default every label is granted."
    ),
]


@app.command()
def new(
    name: Name, scope: Scopes, room: Rooms = None, label: Labels = None, keys: Keys = None, out: Out = None
) -> None:
    """Make a static token, such as a scraper's. The keys file gets its SHA-256 digest, which does not tell it."""
    from gifcue.access.issue import new_token, token_digest, token_entry
    from gifcue.access.keys import parse_keys

    token = new_token()
    entry = token_entry(name, token_digest(token), _scopes(scope), room, label)
    parse_keys(entry.encode())  # says what is missing before anything is written
    _give(entry, keys, token + "\n", out)


@app.command("hash")
def hash_() -> None:
    """Print the digest of a token that stdin gives, for an entry of the keys file."""
    from gifcue.access.issue import token_digest

    typer.echo(token_digest(_stdin()))


@app.command()
def key(
    name: Name,
    algorithm: Annotated[str, typer.Option(help="EdDSA (Ed25519) or HS256.")] = "EdDSA",
    keys: Keys = None,
    out: Out = None,
) -> None:
    """Make a key with which a media server signs tokens.

    With EdDSA the keys file gets the public key, which signs nothing. With HS256 both sides have the same secret.
    """
    from gifcue.access.issue import new_key

    pair = new_key(name, algorithm)
    _give(pair.entry, keys, pair.signing, out)


@app.command()
def issue(
    scope: Scopes,
    key: Annotated[
        Path, typer.Option("--key", metavar="FILE", help="The signing key, as `gifcue token key` writes it.")
    ],
    key_name: Annotated[str, typer.Option("--kid", metavar="NAME", help="The key's name in the keys file.")],
    room: Rooms = None,
    label: Labels = None,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="NAME", help="Who calls: its quota is counted by it.")
    ] = None,
    audience: Annotated[str | None, typer.Option(help="What access.audience of the server says.")] = None,
    issuer: Annotated[str | None, typer.Option(help="What access.issuer of the server says.")] = None,
    lifetime_s: Annotated[float, typer.Option(min=1.0, help="Seconds for which it is valid.")] = _HOUR_S,
) -> None:
    """Issue a JSON Web Token, as a media server does it, and print it."""
    from gifcue.access.issue import issue_token

    try:
        signing = key.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"--key: expected a readable key, got {key}") from None
    typer.echo(
        issue_token(
            signing,
            key_name=key_name,
            scopes=_scopes(scope),
            now_s=time.time(),
            lifetime_s=lifetime_s,
            rooms=room or (),
            labels=label,
            subject=subject,
            audience=audience,
            issuer=issuer,
        )
    )


@app.command()
def check(
    keys: Annotated[Path, typer.Option("--keys", metavar="FILE", help="The keys file of the server.")],
    audience: Annotated[str | None, typer.Option(help="What access.audience of the server says.")] = None,
    issuer: Annotated[str | None, typer.Option(help="What access.issuer of the server says.")] = None,
) -> None:
    """Print what a token that stdin gives grants, or why a server would refuse it (exit status 1)."""
    from gifcue.access.tokens import TokenReader
    from gifcue.access.watch import KeysWatcher

    reader = TokenReader(audience=audience, issuer=issuer, now_s=time.time)
    grant = reader.read(_stdin(), KeysWatcher(keys).keys)
    print_json(
        {
            "caller": grant.identity,
            "scopes": sorted(grant.scopes),
            "rooms": list(grant.rooms),
            "labels": None if grant.labels is None else sorted(grant.labels),
            "expires_in_s": None if grant.expires_s is None else round(grant.expires_s - time.time()),
        }
    )


def _give(entry: str, keys: Path | None, secret: str, file: Path | None) -> None:
    """Puts the entry and the secret where the options say. What goes nowhere is printed: the secret on stdout."""
    from gifcue.access.files import add_entry, write_secret

    # The secret first: an entry whose secret is lost would stay in the keys file.
    if file is not None:
        write_secret(file, secret)
    try:
        if keys is not None:
            add_entry(keys, entry)
    except ConfigError:
        if file is not None:
            file.unlink(missing_ok=True)
        raise
    if file is None:
        sys.stdout.write(secret)
    if keys is None:
        err.print("[dim]for the keys file (access.keys):[/]")
        err.print(entry, markup=False, end="")
    for what, path in (("secret", file), ("entry", keys)):
        if path is not None:
            err.print(f"[dim]{what} written to[/] {path}")


def _scopes(names: Sequence[str]) -> list[Scope]:
    from gifcue.access.grants import scopes_of

    try:
        return sorted(scopes_of(names))
    except ValueError as error:
        raise ConfigError(f"--scope: {error}") from None


def _stdin() -> str:
    return sys.stdin.read(65_536).strip()
