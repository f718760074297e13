# SPDX-License-Identifier: Apache-2.0
"""Java itself reads the properties that we write, every awkward character of them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from airflow_dataops.core.spark_k8s.properties import properties_file

READER = """
import java.io.*; import java.nio.charset.StandardCharsets; import java.util.*;
public class Reader {
  public static void main(String[] a) throws Exception {
    Properties p = new Properties();
    try (InputStreamReader in = new InputStreamReader(new FileInputStream(a[0]), StandardCharsets.UTF_8)) { p.load(in); }
    for (String key : new TreeSet<>(p.stringPropertyNames())) { System.out.println(hex(key) + " " + hex(p.getProperty(key))); }
  }
  static String hex(String text) { return HexFormat.of().formatHex(text.getBytes(StandardCharsets.UTF_16BE)) + "."; }
}
"""
AWKWARD = [
    "",
    " ",
    "  a  ",
    "a=b:c",
    "#no",
    "!no",
    "\\",
    "\\u0041",
    "a\\",
    "\t\f\r\n",
    "ä€",
    "🎈",
    "a\nb",
    "\x00\x7f\x85\u2028",
    "$(X) $$",
]


def test_java_reads_what_was_written(tmp_path: Path) -> None:
    java = shutil.which("java")
    if java is None:
        pytest.skip("needs Java 17: `apt-get install openjdk-17-jre-headless` and a compiler (openjdk-17-jdk-headless)")
    conf = {f"spark.{position}{text}": text for position, text in enumerate(AWKWARD)}
    (tmp_path / "spark.properties").write_text(properties_file(conf), encoding="utf-8")
    (tmp_path / "Reader.java").write_text(READER)
    command = [java, "-XX:TieredStopAtLevel=1", str(tmp_path / "Reader.java"), str(tmp_path / "spark.properties")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if "jdk.compiler" in done.stderr:
        pytest.skip("needs a Java compiler: `apt-get install openjdk-17-jdk-headless`")
    assert done.returncode == 0, done.stderr
    pairs = (line.split(" ") for line in done.stdout.splitlines())
    read = {_text(key): _text(value) for key, value in pairs}
    assert json.dumps(read, sort_keys=True) == json.dumps(conf, sort_keys=True)


def _text(hexed: str) -> str:
    return bytes.fromhex(hexed.rstrip(".")).decode("utf-16-be", "surrogatepass")
