# What the programs in Ruby share: a line of JSON for each check, as check.mjs prints.
require "json"

$failed = false
$stdout.sync = true

def tell(line) = puts(JSON.generate(line))

def check(what)
  begun = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  ms = -> { ((Process.clock_gettime(Process::CLOCK_MONOTONIC) - begun) * 1000).round }
  yield
  tell(what: what, passed: true, ms: ms.call)
rescue StandardError => error
  $failed = true
  tell(what: what, passed: false, ms: ms.call, error: error.full_message(highlight: false))
end

def equal(found, expected)
  raise "#{found.inspect} is not #{expected.inspect}" unless found == expected
end
