# redis-rb: all types, pipelines, transactions, scripts, subscriptions. Prints what check.mjs prints.
require "redis"
require_relative "check"

PORT = Integer(ARGV[0])
$redis = Redis.new(port: PORT)

tell(version: Redis::VERSION)

check("all types") do
  equal($redis.set("k", "v", ex: 100), "OK")
  equal($redis.hset("h", "a", 1, "b", 2), 2)
  equal($redis.hgetall("h"), { "a" => "1", "b" => "2" })
  equal($redis.rpush("l", %w[a b c]), 3)
  equal($redis.lmove("l", "l2", "LEFT", "RIGHT"), "a")
  equal($redis.sadd?("s", "x"), true)
  equal($redis.sinter("s", "s"), ["x"])
  equal($redis.zadd("z", [[1, "a"], [Float::INFINITY, "b"]]), 2)
  equal($redis.zrange("z", 0, -1, with_scores: true), [["a", 1.0], ["b", Float::INFINITY]])
  equal($redis.zpopmin("z"), ["a", 1.0])
  id = $redis.xadd("x", { "n" => "1" })
  equal($redis.xrange("x"), [[id, { "n" => "1" }]])
  $redis.xgroup(:create, "x", "group", "0")
  equal($redis.xreadgroup("group", "c", "x", ">"), { "x" => [[id, { "n" => "1" }]] })
  equal($redis.xack("x", "group", id), 1)
end

check("geo index") do
  equal($redis.geoadd("g", 13.361389, 38.115556, "Palermo"), 1)
  equal($redis.geohash("g", "Palermo"), ["sqc8b49rny0"])
end

check("pipelines, transactions, scripts") do
  equal($redis.pipelined { |p| 500.times { |i| p.zincrby("zp", i, "m") } }.last, (0...500).sum.to_f)
  equal($redis.multi { |m| m.incr("n"); m.incr("n") }, [1, 2])
  equal($redis.watch("n") { $redis.set("n", 10); $redis.multi { |m| m.incr("n") } }, nil)
  sha = $redis.script(:load, "return redis.call('LPUSH', KEYS[1], unpack(ARGV))")
  equal($redis.evalsha(sha, keys: ["sl"], argv: %w[a b]), 2)
  equal($redis.scan_each(match: "z*").to_a.sort, %w[z zp])
end

check("blocking pops and subscriptions") do
  waiter = Thread.new { Redis.new(port: PORT).blpop("wait", timeout: 30) }
  $redis.rpush("wait", "x")
  equal(waiter.value, %w[wait x])
  got = []
  subscriber = Thread.new do
    own = Redis.new(port: PORT)
    own.subscribe("c") do |on|
      on.message { |_, message| got << message; own.unsubscribe }
    end
  end
  sleep 0.01 until $redis.publish("c", "hello") == 1
  subscriber.join(30)
  equal(got, ["hello"])
end

exit($failed ? 1 : 0)
