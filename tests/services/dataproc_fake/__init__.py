# SPDX-License-Identifier: Apache-2.0
"""A Dataproc for tests: a process of its own that speaks Google's protos over gRPC with TLS, runs jobs as processes, and fails on demand.

In a test: the fixtures of ``tests/services/fixtures.py`` (``dataproc`` is a project of its own, with a clock, a bucket, a bill and a log of
calls); ``dataproc.arm("create_reply_lost")`` arms one of the faults of ``faults.py``, ``dataproc.configure(speed=20, create=60)`` sets the clock
and the lengths of ``clock.Timing``.

By hand::

    python -m tests.services.dataproc_fake --port 21000 --control-port 21001 --state /tmp/fake/state.sqlite \\
        --gcs http://127.0.0.1:PORT --create 2 --fault create_stuck:2 --fault polls_fail:1x5
    curl -X POST 127.0.0.1:21001/control/bill -d '{"project": "my-project"}'

Clients trust ``/tmp/fake/tls/ca.pem`` (``GRPC_DEFAULT_SSL_ROOTS_FILE_PATH``), and get their tokens at ``http://127.0.0.1:21001/token``: a call
without one is UNAUTHENTICATED. The same state again is the same Dataproc, also after SIGKILL; only the processes of jobs die with it.

What it does not have: other kinds of jobs than ``pyspark_job`` (run by plain Python, without Spark), templates that are stored, autoscaling,
stop and start of clusters, IAM, quotas of its own, and the times that Google takes.
"""
