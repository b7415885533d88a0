"""celery over Redis as broker and backend: tasks, retries, chains, chords, a delay. Prints what check.mjs prints."""
import json
import subprocess
import sys
import time
import traceback

import celery

port = int(sys.argv[1])
url = f"redis://127.0.0.1:{port}/0"
app = celery.Celery("tasks", broker=url, backend=url)
app.conf.update(worker_hijack_root_logger=False, result_chord_join_timeout=30, broker_connection_retry_on_startup=True)
failed = False


@app.task(name="add")
def add(a, b):
    return a + b


@app.task(name="total")
def total(numbers):
    return sum(numbers)


@app.task(name="flaky", bind=True, max_retries=3)
def flaky(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.05)
    return self.request.retries


def tell(**line):
    print(json.dumps(line), flush=True)


def check(what, body):
    global failed
    begun = time.monotonic()
    try:
        body()
        tell(what=what, passed=True, ms=round((time.monotonic() - begun) * 1000))
    except Exception:
        failed = True
        tell(what=what, passed=False, ms=round((time.monotonic() - begun) * 1000), error=traceback.format_exc())


def equal(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


if len(sys.argv) > 2:
    app.worker_main(["worker", "--pool=threads", "--concurrency=4", "--loglevel=ERROR"])
    sys.exit()

tell(version=celery.__version__)
worker = subprocess.Popen([sys.executable, __file__, str(port), "worker"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

limit = 20
check("50 tasks and their results", lambda: equal([r.get(timeout=limit) for r in [add.delay(i, i) for i in range(50)]], [2 * i for i in range(50)]))
check("a task that retries", lambda: equal(flaky.delay().get(timeout=limit), 2))
check("a chain", lambda: equal((add.s(1, 2) | add.s(3) | add.s(4)).apply_async().get(timeout=limit), 10))
check("a chord", lambda: equal(celery.chord([add.s(i, 1) for i in range(10)])(total.s()).get(timeout=limit), 55))
check("a task with a delay", lambda: equal(add.apply_async((1, 1), countdown=0.5).get(timeout=limit), 2))
check("the worker answers a ping", lambda: equal(len(app.control.ping(timeout=10, limit=1)), 1))
worker.kill()
worker.wait()
sys.exit(1 if failed else 0)
