# sidekiq with a process of its own: jobs, jobs in bulk, a retry, a delay, the dead set, its statistics. Prints what check.mjs prints.
require "rbconfig"
require "sidekiq"
require "sidekiq/api"
require_relative "check"

PORT = Integer(ENV["SIDEKIQ_PORT"] || ARGV[0])
URL = "redis://127.0.0.1:#{PORT}/0"
Sidekiq.configure_client { |config| config.redis = { url: URL } }
Sidekiq.configure_server do |config|
  config.redis = { url: URL }
  config.options[:average_scheduled_poll_interval] = 1
end

class Add
  include Sidekiq::Worker
  def perform(number) = Sidekiq.redis { |redis| redis.pipelined { |p| p.incrby("sum", number); p.sadd("seen", number.to_s) } }
end

class Flaky
  include Sidekiq::Worker
  sidekiq_options retry: 3
  sidekiq_retry_in { 1 }
  def perform = Sidekiq.redis { |redis| raise "not yet" if redis.incr("tries") < 2 }
end

class Hopeless
  include Sidekiq::Worker
  sidekiq_options retry: 0
  def perform = raise("never")
end

# The worker process loads this file for the classes above.
return if ENV["SIDEKIQ_PORT"]

def wait_for(expected)
  limit = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 30
  found = yield
  while found != expected && Process.clock_gettime(Process::CLOCK_MONOTONIC) < limit
    sleep 0.02
    found = yield
  end
  equal(found, expected)
end

def value(key) = Sidekiq.redis { |redis| redis.get(key) }

tell(version: Sidekiq::VERSION)
command = ["/usr/bin/sidekiq", "-r", File.expand_path(__FILE__), "-c", "4"]
worker = Process.spawn({ "SIDEKIQ_PORT" => PORT.to_s }, RbConfig.ruby, *command, out: File::NULL, err: File::NULL)

check("a hundred jobs") do
  100.times { |i| Add.perform_async(i) }
  wait_for("4950") { value("sum") }
  equal(Sidekiq.redis { |redis| redis.scard("seen") }, 100)
end
check("a thousand jobs in bulk") do
  Sidekiq::Client.push_bulk("class" => Add, "args" => (0...1000).map { |i| [i] })
  wait_for((4950 + 499_500).to_s) { value("sum") }
  wait_for(0) { Sidekiq::Queue.new.size }
end
check("a job with a delay") do
  Add.perform_in(1, 1_000_000)
  equal(Sidekiq::ScheduledSet.new.size, 1)
  wait_for((4950 + 499_500 + 1_000_000).to_s) { value("sum") }
end
check("a job that is tried again") do
  Flaky.perform_async
  wait_for("2") { value("tries") }
  wait_for(0) { Sidekiq::RetrySet.new.size }
end
check("a job without hope is in the dead set") do
  Hopeless.perform_async
  wait_for(1) { Sidekiq::DeadSet.new.size }
  equal(Sidekiq::DeadSet.new.first.klass, "Hopeless")
  Sidekiq::DeadSet.new.clear
  equal(Sidekiq::DeadSet.new.size, 0)
end
check("the process is seen, and its statistics") do
  wait_for(1) { Sidekiq::ProcessSet.new.size }
  # The process adds its counts with each heartbeat.
  wait_for(true) { Sidekiq::Stats.new.processed >= 1103 }
end
Process.kill("TERM", worker)
Process.wait(worker)
exit($failed ? 1 : 0)
