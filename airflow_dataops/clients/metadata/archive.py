# SPDX-License-Identifier: Apache-2.0
"""PROVISIONAL: metaworker's replaces it."""

from __future__ import annotations
import pickle
from airflow_dataops.core.metadata.archive import parse_key, superset, touched
from airflow_dataops.clients.storage import storage_for


class ParquetArchive:
    def __init__(self, path):
        self.path, self.s = path, storage_for(path)

    def write(self, topic, partition, rows):
        n = 0
        for place, new in touched(topic, partition, rows).items():
            p = f"{self.path}/{place.key}"
            old = self.s.read_bytes(p)
            r = superset(place, pickle.loads(old) if old else [], new)
            if r.changed:
                self.s.write_bytes(p, pickle.dumps(r.rows))
                n += 1
        return n

    def rows(self, topic, partition, begin, stop):
        found = []
        for f in self.s.find(self.path):
            o = parse_key(f.path[len(self.path) + 1 :])
            if o and o.topic == topic and o.partition == partition:
                found += [r for r in pickle.loads(self.s.read_bytes(f.path)) if begin <= r.offset < stop]
        yield from sorted(found, key=lambda r: r.offset)

    def close(self):
        pass
