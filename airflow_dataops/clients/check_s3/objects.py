# SPDX-License-Identifier: Apache-2.0
"""Whether objects are kept, listed, read in pieces and copied as S3 does it."""

from __future__ import annotations

from airflow_dataops.clients.check_s3.scratch import Scratch, Seen

_NAMES = (
    "blank and+plus",
    "day=2013-01-01/a=b",
    "per%20cent",
    "umlaut-ü-漢",
    "sign-&$@,;:'()!~",
    "dots..two",
    ".hidden",
    "_under",
)
_LISTED = ("l/a", "l/b/1", "l/b/2", "l/b-1", "l/c/d/1", "l/e", "l0")
_ORDERED = ("A", "a", "b-1", "b/1", "b0", "ü")


def read_write(place: Scratch) -> Seen:
    """Write, read, overwrite often, delete."""
    for number in range(10):
        body = b"%d" % number * (number + 1)
        etag = place.put("rw", body)
        if place.get("rw") != body:
            return False, f"after write {number + 1} an older content was read"
        head = place.head("rw")
        if head is None or head["ContentLength"] != len(body) or head["ETag"] != etag:
            return (
                False,
                f"HEAD tells size {head and head['ContentLength']} and ETag {head and head['ETag']}, not {len(body)} and {etag}",
            )
    place.s3.delete_object(Bucket=place.bucket, Key=place.prefix + "rw")
    if place.head("rw") is not None or "rw" in place.names():
        return False, "it is still there after it was deleted"
    place.s3.delete_object(Bucket=place.bucket, Key=place.prefix + "rw")  # once more must be no error
    return True, "10 times overwritten, each read at once; deleted twice"


def listing(place: Scratch) -> Seen:
    """List by prefix, by folder, in pages, after another name."""
    for name in _LISTED:
        place.put(name)
    wanted = sorted(_LISTED[:-1])
    for size in (1000, 2):
        found = place.names("l/", PaginationConfig={"PageSize": size})
        if sorted(found) != wanted:
            return False, f"in pages of {size}: {found}, not {wanted}"
    answer = place.s3.list_objects_v2(Bucket=place.bucket, Prefix=place.prefix + "l/", Delimiter="/")
    folders = [item["Prefix"].removeprefix(place.prefix) for item in answer.get("CommonPrefixes", ())]
    files = [item["Key"].removeprefix(place.prefix) for item in answer.get("Contents", ())]
    if (sorted(folders), sorted(files)) != (["l/b/", "l/c/"], ["l/a", "l/b-1", "l/e"]):
        return False, f"one level: folders {folders}, files {files}"
    after = place.names("l/b/", StartAfter=place.prefix + "l/b/1")
    if after != ["l/b/2"]:
        return False, f"after l/b/1: {after}"
    return True, f"{len(_LISTED)} names, pages of 2, one level"


def list_order(place: Scratch) -> Seen:
    """Compare the order with that of bytes."""
    for name in _ORDERED:
        place.put(f"o/{name}")
    found = place.names("o/")
    return found == [f"o/{name}" for name in _ORDERED], ", ".join(found)


def empty_folders(place: Scratch) -> Seen:
    """Delete the only object of a folder, and look whether the folder is still listed."""
    place.put("f/k=1/x")
    place.s3.delete_object(Bucket=place.bucket, Key=place.prefix + "f/k=1/x")
    answer = place.s3.list_objects_v2(Bucket=place.bucket, Prefix=place.prefix + "f/", Delimiter="/")
    left = [item["Prefix"].removeprefix(place.prefix) for item in answer.get("CommonPrefixes", ())]
    return not left, f"still listed: {left}" if left else "not listed any more"


def names(place: Scratch) -> Seen:
    """Keep names as they are."""
    wrong = []
    for name in _NAMES:
        try:
            place.put(f"n/{name}", name.encode())
            same = place.get(f"n/{name}") == name.encode()
        except place.s3.exceptions.ClientError as error:
            wrong.append(f"{name!r} ({place.answer(error).code})")
            continue
        wrong += [] if same else [f"{name!r} (another content)"]
    listed = {name.removeprefix("n/") for name in place.names("n/")}
    wrong += [
        f"{name!r} (not listed)"
        for name in _NAMES
        if name not in listed and not any(repr(name) in text for text in wrong)
    ]
    return not wrong, f"not kept: {', '.join(wrong)}" if wrong else f"{len(_NAMES)} names as written"


def beside(place: Scratch) -> Seen:
    """Keep an object whose name is also the folder of another one."""
    place.put("beside", b"file")
    place.put("beside/inside", b"inside")
    kept = place.get("beside") == b"file" and place.names("beside") == ["beside", "beside/inside"]
    return kept, "both are kept" if kept else f"listed: {place.names('beside')}"


def ranges(place: Scratch) -> Seen:
    """Read the middle, the end, and beyond it."""
    body = bytes(range(256)) * 8
    place.put("ranges", body)
    wanted = {
        "bytes=10-19": body[10:20],
        "bytes=-8": body[-8:],
        "bytes=2040-": body[2040:],
        "bytes=2000-9999": body[2000:],
    }
    for asked, expected in wanted.items():
        found = place.get("ranges", Range=asked)
        if found != expected:
            return False, f"{asked} gave {len(found)} bytes that are not those {len(expected)}"
    try:
        place.get("ranges", Range="bytes=9999-")
    except place.s3.exceptions.ClientError as error:
        status = place.answer(error).status
        return (
            status == 416,
            "middle, end, beyond the end (416)" if status == 416 else f"beyond the end: {place.told(error)}",
        )
    return False, "beyond the end it answers as if there were something"


def copy(place: Scratch) -> Seen:
    """Copy inside the store."""
    body = b"copied" * 1000
    place.put("copy/source ü", body)
    source = {"Bucket": place.bucket, "Key": place.prefix + "copy/source ü"}
    place.s3.copy_object(Bucket=place.bucket, Key=place.key("copy/target"), CopySource=source)
    same = place.get("copy/target") == body
    return same, "the same bytes" if same else "the copy has other bytes"


def batch_delete(place: Scratch) -> Seen:
    """Delete three objects by one call."""
    wanted = [{"Key": place.key(f"d/{number}")} for number in range(3)]
    for number in range(3):
        place.put(f"d/{number}")
    answer = place.s3.delete_objects(Bucket=place.bucket, Delete={"Objects": wanted})
    left = place.names("d/")
    return not left and not answer.get("Errors"), "3 deleted" if not left else f"left: {left}"
