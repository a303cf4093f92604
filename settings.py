"""All settings, in one place: `sourcier.toml` in the home, `SOURCIER_*`, flags, in rising order.

docs/settings.md lists them; a test holds that page against this file.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import platformdirs
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings.sources import PydanticBaseSettingsSource, TomlConfigSettingsSource

from errors import SettingsError

ENV_PREFIX = "SOURCIER_"
FILE_NAME = "sourcier.toml"
USERS_FILE = "users"  # in the home, unless the setting auth names another
_DATA = Path(platformdirs.user_data_dir("sourcier", appauthor=False))

Folder = Annotated[Path, AfterValidator(lambda path: Path(os.path.abspath(os.path.expanduser(path))))]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


def _split(value: object) -> object:
    return tuple(name.strip().lower() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


def _root_path(value: str | None) -> str | None:
    if not value or re.fullmatch(r"(https?://[^\s/?#]+)?(/[^\s?#]*)?", value):
        return value.rstrip("/") or None if value else None
    raise ValueError("write a path such as /sourcier, or an address such as https://news.example/sourcier")


def _server(value: str | None) -> str | None:
    if not value:
        return None
    try:
        parts = urlsplit(value)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is none, a bracket that does not close
        whole = False
    if not whole or parts.username or parts.password or re.search(r"[\s?#]", value):
        raise ValueError("write an address such as http://127.0.0.1:8000/v1; a key goes into answering_server_key")
    return value.rstrip("/") if parts.path.strip("/") else value.rstrip("/") + "/v1"


def _key(value: SecretStr | None) -> SecretStr | None:
    if value and not re.fullmatch(r"[!-~]*", value.get_secret_value()):
        raise ValueError("a key is of printable ASCII characters without spaces")
    return value if value and value.get_secret_value() else None


def is_loopback(host: str) -> bool:
    """Whether a name or an address, as it stands in a URL, is that of this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


Names = Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(_split)]
RootPath = Annotated[str | None, AfterValidator(_root_path)]
ServerAddress = Annotated[str | None, AfterValidator(_server)]
ServerKey = Annotated[SecretStr | None, AfterValidator(_key)]


class Settings(BaseSettings):
    """Every setting with its unit, its range and its default."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="forbid", frozen=True, env_ignore_empty=True)

    home: Folder = Field(_DATA / "archive", description="folder of the index; not settable in sourcier.toml")
    models_folder: Folder = Field(_DATA / "models", description="folder of the weights, shared by all homes")
    weights_from: Folder | None = Field(None, description="folder to look in for weights before anything is downloaded")

    answering_model: str = Field(
        "qwen2.5-coder-1.5b", description="name in the catalog, or path of a GGUF file; the model's name on a server"
    )
    answering_server: ServerAddress = Field(
        None, description="address of an OpenAI-compatible server that writes the answers; none: this process does"
    )
    answering_server_key: ServerKey = Field(None, description="key of that server; better set in the environment")
    embedding_model: str = Field(
        "embeddinggemma-300m", description="name in the catalog, path of a sentence-transformers folder, or hub name"
    )
    threads: int = Field(0, ge=0, le=1024, description="threads of the models; 0: the processor's cores")

    passage_tokens: int = Field(256, ge=32, le=8192, description="longest passage, in tokens of the embedder")
    embedding_tokens: int = Field(1024, ge=64, le=65536, description="tokens embedded at once, padding counted")

    results: int = Field(10, ge=1, le=100, description="passages retrieved for a question, and read with it")
    lexical_weight: Share = Field(0.15, description="weight of BM25 beside the vectors, whose weight is 1")

    recency_weight: Share = Field(0.0, description="what is added to the score of today's articles, less to older ones")
    recency_days: float = Field(30.0, gt=0, le=36500, description="days after which half of it is left")

    evidence_sentences: int = Field(
        6, ge=1, le=20, description="sentences found to answer from; those put before the model are among them"
    )
    refuse_below: Share = Field(0.2, description="confidence under which no answer is written, 0 to 1")
    context_tokens: int = Field(4096, ge=1024, le=131072, description="prompt and answer together, in tokens")
    answer_tokens: int = Field(256, ge=16, le=4096, description="longest answer, in tokens")
    answers_kept: int = Field(
        200, ge=0, le=100_000, description="answers kept in memory, for as long as the index does not change; 0: none"
    )
    answers_at_once: int = Field(4, ge=1, le=64, description="answers written together; who asks besides waits in line")

    host: str = Field("127.0.0.1", description="address the page listens on")
    port: int = Field(7860, ge=1, le=65535, description="port the page listens on")
    root_path: RootPath = Field(None, description="path, or whole address, at which a reverse proxy shows the page")
    allowed_hosts: Names = Field(None, description="names under which the page is served, beside its own")
    auth: Folder | None = Field(None, description="file of the users who may log in; none: no login")
    mcp: bool = Field(False, description="whether assistants may ask, over MCP")
    questions_per_minute: int = Field(30, ge=0, le=6000, description="questions one user may ask in a minute; 0: any")
    questions_waiting: int = Field(
        4, ge=0, le=1000, description="questions one user may have waiting or running at once; 0: any"
    )
    upload_megabytes: int = Field(200, ge=1, le=100_000, description="largest file that the page takes, in megabytes")

    @property
    def listens_on_loopback(self) -> bool:
        """Whether only this machine reaches the address that the page listens on."""
        return is_loopback(self.host)

    @property
    def server_elsewhere(self) -> str | None:
        """The host of the answering server where that is not this machine: what is asked is sent there."""
        host = urlsplit(self.answering_server or "").hostname
        return host if host and not is_loopback(host) else None

    @property
    def answering_identity(self) -> str:
        """What writes the answers: the model's name, with the address of its server where there is one."""
        return f"{self.answering_model} on {self.answering_server}" if self.answering_server else self.answering_model

    @property
    def local_models(self) -> tuple[str, ...]:
        """The models whose weights are read by this process."""
        return (self.embedding_model,) if self.answering_server else (self.embedding_model, self.answering_model)

    @property
    def other_names(self) -> frozenset[str]:
        """The names under which a reverse proxy or a name server shows the page, in lower case."""
        shown = urlsplit(self.root_path or "").hostname
        return frozenset({*(self.allowed_hosts or ()), *([shown] if shown else [])})

    @property
    def reached_by_others(self) -> bool:
        """Whether the page can be reached from other machines."""
        return not self.listens_on_loopback or bool(self.other_names - {"localhost", "127.0.0.1", "::1"})

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags over environment; the file is merged in `load_settings`, which knows the home."""
        return init_settings, env_settings


def load_settings(home: str | Path | None = None, **flags: Any) -> Settings:
    """Read the settings of a home; a flag that is None does not count as given.

    Raises SettingsError naming the key, where it stands and, for an unknown one, the nearest known.
    """
    given = {key: value for key, value in flags.items() if value is not None}
    if home is not None:
        given["home"] = home
    _refuse_unknown(given, "the arguments")
    variables = [key for key, value in os.environ.items() if value and key.upper().startswith(ENV_PREFIX)]
    environment = {key[len(ENV_PREFIX) :].lower() for key in variables}
    _refuse_unknown(environment, "the environment", ENV_PREFIX)
    path = Path(FILE_NAME)
    try:
        path = Settings(**given).home / FILE_NAME
        stored = _read_file(path)
        below = {key: value for key, value in stored.items() if key not in given and key not in environment}
        return Settings(**below, **given)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        where = "the arguments" if key in given else "the environment" if key in environment else path
        secret = key == "answering_server_key" or (key == "answering_server" and "@" in str(first["input"]))
        value = "" if secret else f" = {first['input']!r}"
        raise SettingsError(f"setting {key}{value} in {where}: {first['msg'].lower()}") from None


def flags_of(pairs: Iterable[str]) -> dict[str, str]:
    """Return the flags of `--set KEY=VALUE …`. Raises SettingsError for one that is not of that form."""
    flags = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise SettingsError(f"--set {pair}: write KEY=VALUE")
        flags[key.strip()] = value.strip()
    return flags


def _read_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        stored = TomlConfigSettingsSource(Settings, toml_file=path).toml_data
    except (ValueError, OSError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    if "home" in stored:
        raise SettingsError(f"{path}: home cannot be set in the file that lies in it; use --home or SOURCIER_HOME")
    _refuse_unknown(stored, str(path))
    return stored


def _refuse_unknown(keys: Any, where: str, prefix: str = "") -> None:
    known = list(Settings.model_fields)
    for key in keys:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            shown, hint = (prefix + key.upper() if prefix else key), ""
            if near:
                hint = f"; did you mean {prefix + near[0].upper() if prefix else near[0]}?"
            raise SettingsError(f"unknown setting {shown} in {where}{hint}")
