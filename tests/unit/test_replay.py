"""Feed files: which are accepted, what their rows mean, what is said about others, when steps are due."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.demo.change import FeedStep, PriceChange, ProtocolChange, TvlChange
from core.demo.layout import slug
from core.demo.pace import at_rate, by_history, parse_speed
from core.demo.replay import MAX_ROWS_PER_STEP, FeedFile
from core.errors import FeedError
from tests.effort import daily_tvl

NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
ONE = datetime(2024, 3, 19, 13, tzinfo=UTC)
SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

TVL = "time,protocol,chain,tvl_usd\n"
PRICES = "time,token,chain,price_usd\n"


def write(folder: Path, text: str, name: str = "history.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def steps(folder: Path, text: str) -> list[FeedStep]:
    return list(FeedFile.open(write(folder, text)).steps())


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(FeedError) as caught:
        steps(folder, text)
    return str(caught.value)


# What is accepted


def test_a_tvl_row_becomes_a_tvl_change(tmp_path: Path) -> None:
    assert steps(tmp_path, TVL + "2024-03-19T12:00:00Z,lido,ethereum,24300000000.5\n") == [
        FeedStep((TvlChange("ethereum", "lido", Decimal("24300000000.5"), "history"),), NOON)
    ]


def test_a_price_row_becomes_a_price_change(tmp_path: Path) -> None:
    assert steps(tmp_path, PRICES + "2024-03-19T12:00:00.000Z,usdc,ethereum,1.00406002105256\n") == [
        FeedStep((PriceChange("ethereum", "usdc", Decimal("1.00406002105256"), None, "history"),), NOON)
    ]


def test_a_price_row_may_bring_its_confidence_and_source(tmp_path: Path) -> None:
    text = "time,token,chain,price_usd,confidence,source\n2024-03-19 12:00,usdc,ethereum,1,0.97,coingecko\n"
    assert steps(tmp_path, text)[0].changes == (PriceChange("ethereum", "usdc", Decimal(1), 0.97, "coingecko"),)


def test_a_protocol_row_becomes_a_protocol_change_named_by_its_slug(tmp_path: Path) -> None:
    assert steps(tmp_path, "id,name,category\n182,Aave V3,Lending\n") == [
        FeedStep((ProtocolChange("aave-v3", "Aave V3", "history", category="Lending"),))
    ]


def test_a_protocol_row_may_bring_every_column_of_the_table(tmp_path: Path) -> None:
    text = (
        "protocol,name,category,chain,url,audits,parent,source\n"
        "aave,Aave V3,Lending,ethereum,https://aave.com,6,aave-dao,mine\n"
    )
    assert steps(tmp_path, text)[0].changes == (
        ProtocolChange("aave", "Aave V3", "mine", "Lending", "ethereum", "https://aave.com", 6, "aave-dao"),
    )


def test_the_order_of_columns_is_free(tmp_path: Path) -> None:
    swapped = "tvl_usd,chain,protocol,time_utc\n5,ethereum,lido,2024-03-19 12:00:00\n"
    assert steps(tmp_path, swapped) == steps(tmp_path, TVL + "2024-03-19 12:00:00,lido,ethereum,5\n")


def test_further_columns_are_ignored(tmp_path: Path) -> None:
    text = "row,time,protocol,chain,tvl_usd,note\n1,2024-03-19T12:00:00Z,lido,ethereum,5,hello\n"
    assert steps(tmp_path, text) == steps(tmp_path, TVL + "2024-03-19T12:00:00Z,lido,ethereum,5\n")


def test_column_names_may_be_capitals_behind_a_byte_order_mark(tmp_path: Path) -> None:
    text = "\ufeffTime,Protocol,Chain,TVL_USD\n2024-03-19T12:00:00Z,lido,ethereum,5\n"
    assert steps(tmp_path, text)[0].at == NOON


def test_comment_lines_before_the_header_are_skipped(tmp_path: Path) -> None:
    text = "# from somewhere\n" + TVL + "2024-03-19T12:00:00Z,lido,ethereum,5\n"
    assert steps(tmp_path, text)[0].at == NOON


def test_empty_lines_are_skipped(tmp_path: Path) -> None:
    assert len(steps(tmp_path, TVL + "\n2024-03-19T12:00:00Z,lido,ethereum,5\n\n")) == 1


def test_a_gzipped_file_reads_like_a_plain_one(tmp_path: Path) -> None:
    text = TVL + "2024-03-19T12:00:00Z,lido,ethereum,5\n"
    packed = tmp_path / "history.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert list(FeedFile.open(packed).steps()) == steps(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-19T12:00:00Z",
        "2024-03-19T12:00:00.000Z",
        "2024-03-19 12:00:00",
        "2024-03-19T14:00:00+02:00",
        "1710849600",
    ],
)
def test_times_are_iso_8601_or_unix_seconds_and_mean_utc(text: str, tmp_path: Path) -> None:
    assert steps(tmp_path, TVL + f"{text},lido,ethereum,5\n")[0].at == NOON


@pytest.mark.parametrize("column", ["time", "time_utc", "updated_at", "timestamp"])
def test_the_time_column_has_several_names(column: str, tmp_path: Path) -> None:
    text = f"{column},protocol,chain,tvl_usd\n2024-03-19T12:00:00Z,lido,ethereum,5\n"
    assert steps(tmp_path, text)[0].at == NOON


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=18))
def test_amounts_keep_every_digit(amount: Decimal) -> None:
    with TemporaryDirectory() as folder:
        (step,) = steps(Path(folder), TVL + f"2024-03-19T12:00:00Z,lido,ethereum,{amount:f}\n")
    (change,) = step.changes
    assert isinstance(change, TvlChange)
    assert f"{change.tvl_usd:f}" == f"{amount:f}"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Aave V3", "aave-v3"),
        ("ether.fi", "ether-fi"),
        (" Lido ", "lido"),
        ("1inch_Network", "1inch-network"),
    ],
)
def test_a_name_makes_a_slug(name: str, expected: str) -> None:
    assert slug(name) == expected


# Steps


def test_rows_of_one_time_are_one_step(tmp_path: Path) -> None:
    rows = "2024-03-19T12:00:00Z,lido,ethereum,5\n2024-03-19T12:00:00Z,aave,ethereum,6\n"
    later = "2024-03-19T13:00:00Z,lido,ethereum,7\n"
    assert [(step.at, len(step.changes)) for step in steps(tmp_path, TVL + rows + later)] == [
        (NOON, 2),
        (ONE, 1),
    ]


def test_a_row_that_comes_twice_at_one_time_begins_another_step(tmp_path: Path) -> None:
    rows = "2024-03-19T12:00:00Z,lido,ethereum,5\n2024-03-19T12:00:00Z,lido,ethereum,6\n"
    assert [step.at for step in steps(tmp_path, TVL + rows)] == [NOON, NOON]


def test_a_step_is_bounded_however_many_rows_share_a_time(tmp_path: Path) -> None:
    rows = "".join(f"p{number},x\n" for number in range(MAX_ROWS_PER_STEP + 1))
    assert [len(step.changes) for step in steps(tmp_path, "name,category\n" + rows)] == [MAX_ROWS_PER_STEP, 1]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.integers(0, 99))))
def test_steps_hold_every_row_once_and_in_order(rows: list[tuple[int, str, int]]) -> None:
    text = TVL + "".join(f"2024-03-19T12:00:0{second}Z,{name},base,{n}\n" for second, name, n in rows)
    with TemporaryDirectory() as folder:
        read = [
            (step.at.second, change.protocol, int(change.tvl_usd))
            for step in steps(Path(folder), text)
            for change in step.changes
            if isinstance(change, TvlChange) and step.at
        ]
    assert read == rows


def test_rows_are_read_only_as_steps_are_taken(tmp_path: Path) -> None:
    text = TVL + "2024-03-19T12:00:00Z,lido,ethereum,5\n2024-03-19T13:00:00Z,lido,ethereum,6\nrubbish\n"
    taken = FeedFile.open(write(tmp_path, text)).steps()
    assert next(taken).at == NOON


# What is refused


def test_a_header_that_fits_no_feed_is_one_line_with_the_file_its_columns_and_the_accepted_ones(tmp_path: Path) -> None:
    line = refusal(tmp_path, "roundId,answer,updatedAt\n1,2,3\n")
    expected = (str(tmp_path / "history.csv"), "roundId, answer, updatedAt", "prices: time, token, chain, price_usd")
    assert ([part for part in expected if part not in line], line.count("\n")) == ([], 0)


def test_a_wrong_header_is_refused_before_any_step_is_taken(tmp_path: Path) -> None:
    with pytest.raises(FeedError):
        FeedFile.open(write(tmp_path, "chain,tvl_usd\n"))


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_a_file_without_a_header_is_refused(text: str, tmp_path: Path) -> None:
    assert "has no header" in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("2024-03-19T12:00:00Z,lido,ethereum,much", "tvl_usd 'much' is not a finite decimal number"),
        ("2024-03-19T12:00:00Z,lido,ethereum,NaN", "tvl_usd 'NaN' is not a finite decimal number"),
        ("2024-03-19T12:00:00Z,lido,ethereum,1e999999", "tvl_usd '1e999999' is not a finite decimal number"),
        ("2024-03-19T12:00:00Z,lido,ethereum,", "tvl_usd '' is not a finite decimal number"),
        ("2024-03-19T12:00:00Z,,ethereum,5", "protocol is empty"),
        ("yesterday,lido,ethereum,5", "time 'yesterday' is not a time"),
        ("2024-03-19T12:00:00Z,lido,ethereum", "3 cells under 4 columns"),
        ("2024-03-19T12:00:00Z,lido,ethereum,5,6", "5 cells under 4 columns"),
        ("2024-03-19T12:00:00Z,li\0do,ethereum,5", "not UTF-8 text"),
        ('2024-03-19T12:00:00Z,"lido,ethereum,5', "unexpected end of data"),
    ],
)
def test_a_bad_row_is_refused_with_its_fault(row: str, complaint: str, tmp_path: Path) -> None:
    assert complaint in refusal(tmp_path, TVL + row + "\n")


@pytest.mark.parametrize(
    ("header", "row", "complaint"),
    [
        (
            "time,token,chain,price_usd,confidence",
            "2024-03-19,usdc,base,1,1.5",
            "confidence '1.5' is not from",
        ),
        ("name,category,audits", "Lido,Staking,many", "audits 'many' is not a whole number"),
        ("name,category", "...,Staking", "name '...' has no letter or digit"),
    ],
)
def test_a_bad_optional_cell_is_refused_with_its_fault(header: str, row: str, complaint: str, tmp_path: Path) -> None:
    assert complaint in refusal(tmp_path, f"{header}\n{row}\n")


def test_a_bad_row_is_refused_with_file_and_line(tmp_path: Path) -> None:
    text = "# a comment\n" + TVL + "2024-03-19T12:00:00Z,lido,ethereum,5\n\nrubbish\n"
    assert f"{tmp_path / 'history.csv'}, line 5: " in refusal(tmp_path, text)


def test_text_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(b"name,category\nCaf\xe9,Dexs\n")
    with pytest.raises(FeedError, match=r"line 2: not UTF-8 text"):
        list(FeedFile.open(path).steps())


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="cannot be read: No such file"):
        FeedFile.open(tmp_path / "missing.csv")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="cannot be read: Is a directory"):
        FeedFile.open(tmp_path)


def test_a_gz_file_that_is_not_gzipped_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="Not a gzipped file"):
        FeedFile.open(write(tmp_path, TVL, "history.csv.gz"))


def test_a_gz_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress((TVL + "2024-03-19T12:00:00Z,lido,ethereum,5\n").encode())
    path = tmp_path / "history.csv.gz"
    path.write_bytes(whole[:-12])
    with pytest.raises(FeedError, match="cannot be read"):
        list(FeedFile.open(path).steps())


# When steps are due


@pytest.mark.parametrize(
    ("text", "factor"), [("1x", 1), ("60x", 60), ("0.5x", 0.5), ("10", 10), (" 2X ", 2), ("max", None)]
)
def test_speed_is_a_factor_or_max(text: str, factor: float | None) -> None:
    assert parse_speed(text) == factor


@pytest.mark.parametrize("text", ["", "x", "fast", "-1x", "0x", "0.0", "1e3x", "inf", "nan", "60 x", "1x1x"])
def test_another_speed_is_refused(text: str) -> None:
    with pytest.raises(FeedError, match="Use 1x"):
        parse_speed(text)


@given(st.text())
def test_a_speed_is_understood_or_refused_never_a_crash(text: str) -> None:
    try:
        speed = parse_speed(text)
    except FeedError:
        return
    assert speed is None or speed > 0


def test_history_is_due_by_its_own_time_divided_by_the_speed() -> None:
    due = by_history(60)
    assert [due(FeedStep((), at)) for at in (NOON, ONE)] == [0, 60]


def test_history_at_max_speed_is_due_at_once() -> None:
    due = by_history(None)
    assert [due(FeedStep((), at)) for at in (NOON, ONE)] == [0, 0]


def test_a_step_without_a_time_is_due_at_once() -> None:
    assert by_history(1)(FeedStep((), None)) == 0


def test_a_rate_counts_rows_and_not_steps() -> None:
    row = TvlChange("ethereum", "lido", Decimal(1), "test")
    due = at_rate(10)
    assert [due(FeedStep((row,) * rows)) for rows in (1, 4, 1)] == [0, 0.1, 0.5]


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_rate_that_writes_nothing_is_refused(rate: float) -> None:
    with pytest.raises(FeedError):
        at_rate(rate)


# The real histories next to the repository


def real(name: str) -> Path:
    path = SHARED_DATA / name
    if not path.is_file():
        pytest.skip(f"{path} is not here: the product works without it")
    return path


def test_every_stablecoin_price_is_read_in_time_order() -> None:
    read = [step.at for step in FeedFile.open(real("stablecoin_prices_15min_2024.csv")).steps() if step.at]
    assert (len(read), all(a < b for a, b in pairwise(read))) == (2169, True)


@pytest.mark.no_cover  # thousands of rows
def test_every_daily_tvl_is_read_with_every_digit(tmp_path: Path) -> None:
    path = daily_tvl(real("tvl_protocol_chain_daily.csv.gz"), tmp_path)
    with gzip.open(path, "rt", newline="") as text:
        expected = sum(Decimal(row["tvl_usd"]) for row in csv.DictReader(text))
    changes = [change for step in FeedFile.open(path).steps() for change in step.changes]
    assert sum(change.tvl_usd for change in changes if isinstance(change, TvlChange)) == expected


def test_every_protocol_is_read_under_a_slug_of_its_own() -> None:
    changes = [change for step in FeedFile.open(real("protocols_2024.csv")).steps() for change in step.changes]
    assert len({change.key for change in changes}) == 4127


def test_the_chainlink_rounds_are_refused_since_they_name_no_token() -> None:
    with pytest.raises(FeedError, match="fit no feed: 'roundId, answer, updatedAt"):
        FeedFile.open(real("price_chainlink_usdc_usd_rounds_2022-11_2023-03.csv"))
