"""redis-py: all types, scripts, locks, subscriptions; then celery, if it is there. Prints what check.mjs prints."""
import json
import sys
import threading
import time
import traceback

import redis

port = int(sys.argv[1])
client = redis.Redis(port=port, decode_responses=True)
failed = False


def tell(**line):
    print(json.dumps(line), flush=True)


def check(what):
    def run(body):
        global failed
        begun = time.monotonic()
        try:
            body()
            tell(what=what, passed=True, ms=round((time.monotonic() - begun) * 1000))
        except Exception:
            failed = True
            tell(what=what, passed=False, ms=round((time.monotonic() - begun) * 1000), error=traceback.format_exc())

    return run


def equal(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


tell(version=redis.__version__)


@check("all types")
def _():
    equal(client.set("k", "v", ex=100, nx=True), True)
    equal(client.hset("h", mapping={"a": 1, "b": 2}), 2)
    equal(client.hgetall("h"), {"a": "1", "b": "2"})
    equal(client.rpush("l", 1, 2, 3), 3)
    equal(client.lpos("l", 2), 1)
    equal(client.sadd("s", "x", "y"), 2)
    equal(client.smismember("s", ["x", "z"]), [1, 0])
    equal(client.zadd("z", {"a": 1, "b": 2.5}), 2)
    equal(client.zrange("z", 0, -1, withscores=True), [("a", 1.0), ("b", 2.5)])
    equal(client.zmpop(1, ["z"], max=True), ["z", [["b", "2.5"]]])
    equal(client.pfadd("p", *range(100)), 1)
    equal(client.pfcount("p") in range(95, 106), True)
    equal(client.type("p"), "string")
    equal(client.bitfield("bits").set("u8", 0, 200).incrby("u8", 0, 10).execute(), [0, 210])


@check("geo index")
def _():
    equal(client.geoadd("cities", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")), 2)
    equal(client.geodist("cities", "Palermo", "Catania", "km"), 166.2742)
    equal(client.geosearch("cities", longitude=15, latitude=37, radius=200, unit="km", sort="ASC"), ["Catania", "Palermo"])


@check("streams with a group")
def _():
    ids = [client.xadd("x", {"n": i}) for i in range(5)]
    equal(client.xgroup_create("x", "g", id="0"), True)
    [[name, entries]] = client.xreadgroup("g", "c", {"x": ">"}, count=3)
    equal([id for id, _ in entries], ids[:3])
    equal(client.xack("x", "g", ids[0]), 1)
    equal(client.xpending("x", "g")["pending"], 2)
    equal(client.xinfo_stream("x")["length"], 5)
    equal(client.xinfo_groups("x")[0]["lag"], 2)
    equal([id for id, _ in client.xclaim("x", "g", "d", 0, ids[1:3])], ids[1:3])


@check("pipelines, WATCH, scripts, functions")
def _():
    def step(pipe):
        n = int(pipe.get("n") or 0)
        pipe.multi()
        pipe.set("n", n + 1)

    threads = [threading.Thread(target=lambda: [client.transaction(step, "n") for _ in range(10)]) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    equal(client.get("n"), "40")
    script = client.register_script("return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}")
    equal(script(keys=["sn"], args=["a"]), ["sn", "a", 1])
    client.script_flush()
    equal(script(keys=["sn"], args=["a"]), ["sn", "a", 2])
    client.function_load("#!lua name=py\nredis.register_function('twice', function(keys, args) return args[1] * 2 end)", replace=True)
    equal(client.fcall("twice", 0, 21), 42)
    client.function_delete("py")
    try:
        client.eval("return redis.call('HGET', 'n', 'f')", 0)
        raise AssertionError("no error")
    except redis.ResponseError as error:
        equal(str(error).startswith("WRONGTYPE"), True)


@check("locks")
def _():
    inside = []

    def turn():
        with client.lock("lock", timeout=60, sleep=0.01):
            inside.append(1)
            equal(len(inside), 1)
            inside.pop()

    threads = [threading.Thread(target=turn) for _ in range(10)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    lock = client.lock("lock", timeout=60)
    equal(lock.acquire(), True)
    equal(lock.extend(60), True)
    equal(client.lock("lock").acquire(blocking=False), False)
    lock.release()


@check("publish and subscribe, keyspace notifications")
def _():
    client.config_set("notify-keyspace-events", "KEA")
    with client.pubsub(ignore_subscribe_messages=True) as subscriber:
        subscriber.subscribe("c")
        subscriber.psubscribe("__keyevent@0__:*")
        subscriber.get_message(timeout=30)
        subscriber.get_message(timeout=30)
        client.publish("c", "hello")
        client.zadd("noted", {"a": 1})
        client.zrem("noted", "a")
        got = []
        while len(got) < 4:
            message = subscriber.get_message(timeout=30)
            assert message is not None, got
            got.append((message["channel"], message["data"]))
        equal(got, [("c", "hello"), ("__keyevent@0__:zadd", "noted"), ("__keyevent@0__:zrem", "noted"), ("__keyevent@0__:del", "noted")])
    client.config_set("notify-keyspace-events", "")


@check("scan_iter")
def _():
    client.mset({f"many:{i}": i for i in range(500)})
    equal(len(set(client.scan_iter("many:*", count=50))), 500)


@check("sort")
def _():
    equal(client.sort("l", desc=True, get=["#", "many:*"]), ["3", "3", "2", "2", "1", "1"])


@check("dump and restore")
def _():
    raw = redis.Redis(port=port)
    for key in ["h", "l", "s", "z", "x"]:
        assert raw.restore(f"copy:{key}", 0, raw.dump(key))
        equal(raw.type(f"copy:{key}"), raw.type(key))
    equal(client.hgetall("copy:h"), {"a": "1", "b": "2"})


sys.exit(1 if failed else 0)
