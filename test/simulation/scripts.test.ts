/** Scripts on a server that crashes, that is short of memory, and that others want to use meanwhile. */
import { describe, expect, it } from 'vitest'
import { Scene } from './scene.ts'
import { SeededRandom } from './seeded-random.ts'

const cold = { 'tier-cool-start-percent': 0, 'tier-drop-percent': 0, 'tier-min-value-size': 0, 'tier-promote': 'never' }
/** Moves a random part of one account to another, in several commands. */
const transfer = `local from, to = KEYS[1], KEYS[2]
redis.call('DECRBY', from, ARGV[1])
for i = 1, tonumber(ARGV[1]) do redis.call('INCR', to) end
redis.call('HSET', 'last', 'from', from, 'to', to, 'n', ARGV[2])
return redis.call('GET', to)`

describe('a script', () => {
  it('is there as a whole after a crash, or not at all', async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const random = new SeededRandom(seed)
      const scene = new Scene(seed, { config: seed % 2 === 0 ? cold : {}, diskMsMax: 5 })
      await scene.startUnobserved()
      const client = await scene.plainClient()
      for (const key of ['a', 'b', 'c']) await client.ask('SET', key, '1000')
      let acknowledged = 0
      for (let i = 1; i <= 12; i++) {
        const [from, to] = random.nextUint32() % 2 === 0 ? ['a', 'b'] : ['b', 'c']
        client.send('EVAL', transfer, '2', from as string, to as string, String(random.nextUint32() % 20), String(i))
        await scene.pass(random.nextUint32() % 3)
        while (client.hasReply) {
          expect(await client.receive()).toMatch(/^\$/)
          acknowledged++
        }
      }
      scene.machine.crash()
      await scene.startUnobserved()
      const again = await scene.plainClient()
      const reply = await again.ask('EVAL', "return redis.call('GET','a') + redis.call('GET','b') + redis.call('GET','c')", '0')
      expect(reply).toBe(':3000\r\n')
      const last = await again.ask('HGET', 'last', 'n')
      expect(Number(last.split('\r\n')[1] ?? 0)).toBeGreaterThanOrEqual(acknowledged)
    }
  })

  it('is run again when it meets a cold value that it has not declared, and reads one at once after a write', async () => {
    const scene = new Scene(3, { config: { ...cold, maxmemory: 1n << 30n } })
    await scene.startUnobserved()
    const client = await scene.plainClient()
    for (const key of ['one', 'two', 'three']) await client.ask('SET', key, key.repeat(100))
    const { shard } = scene.server
    await scene.checkpoint()
    const makeCold = async (): Promise<void> => {
      while ((shard?.tier.demoteOne() ?? -1) >= 0) await scene.pass(1)
    }
    await makeCold()
    expect(shard?.keyspace.coldCount).toBe(3)
    const counts = () => ({ ...shard?.tier.counts })
    const lengths = "return {#redis.call('GET','one'),#redis.call('GET','two'),#redis.call('GET','three')}"
    expect(await client.ask('EVAL', lengths, '0')).toBe('*3\r\n:300\r\n:300\r\n:500\r\n')
    expect(counts().readsAtOnce).toBe(0)
    expect(counts().coldReads).toBeGreaterThanOrEqual(3)
    await makeCold()
    // What the request before it has written is not the script's.
    expect(await client.ask('SET', 'other', 'v')).toBe('+OK\r\n')
    const written = "redis.call('INCR','n') return #redis.call('GET','one')"
    expect(await client.ask('EVAL', written, '0')).toBe(':300\r\n')
    expect(counts().readsAtOnce).toBe(1)
    expect(await client.ask('GET', 'n')).toBe('$1\r\n1\r\n')
    await makeCold()
    const before = counts()
    expect(await client.ask('EVAL', "redis.call('INCR','n') return #redis.call('GET',KEYS[1])", '1', 'two')).toBe(':300\r\n')
    expect(counts().readsAtOnce).toBe(before.readsAtOnce)
    // No pcall keeps a run from being given up.
    await makeCold()
    expect(await client.ask('EVAL', "local ok, v = pcall(redis.call, 'GET', 'three') return {tostring(ok), #v}", '0')).toBe(
      '*2\r\n$4\r\ntrue\r\n:500\r\n',
    )
    expect(counts().readsAtOnce).toBe(before.readsAtOnce)
    expect(await client.ask('INFO', 'tiering')).toContain(`tier_cold_reads_at_once:${before.readsAtOnce}`)
    expect(await client.ask('INFO', 'commandstats')).toContain('cmdstat_eval:calls=4,')
  })

  it('is not run again once it has written, however much the request before it wrote', async () => {
    const scene = new Scene(3, { config: { ...cold, maxmemory: 1n << 30n } })
    await scene.startUnobserved()
    const client = await scene.plainClient()
    await client.ask('SET', 'large', 'x'.repeat(300))
    await scene.checkpoint()
    const { shard } = scene.server
    while ((shard?.tier.demoteOne() ?? -1) >= 0) await scene.pass(1)
    await client.ask('MSET', 'a', '1', 'b', '2', 'c', '3')
    expect(await client.ask('EVAL', "redis.call('INCR','n') return redis.call('STRLEN','large') + #redis.call('GET','large')", '0')).toBe(
      ':600\r\n',
    )
    expect(await client.ask('GET', 'n')).toBe('$1\r\n1\r\n')
  })

  it('that takes long lets others wait, then know, and end it', async () => {
    const scene = new Scene(4, { config: { 'busy-reply-threshold': 50 } })
    await scene.startUnobserved()
    const [one, other] = [await scene.plainClient(), await scene.plainClient()]
    expect(await other.ask('SCRIPT', 'KILL')).toBe('-NOTBUSY No scripts in execution right now.\r\n')
    for (const loop of [
      'while true do end',
      'pcall(function() while true do end end) while true do end',
      'while true do pcall(function() for i = 1, 1e6 do end end) end',
    ]) {
      one.send('EVAL', loop, '0')
      await scene.pass(2)
      const busy = '-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n'
      for (const request of [['SET', 'k', 'v'], ['SHUTDOWN'], ['SHUTDOWN', 'SAVE']]) expect(await other.ask(...request)).toBe(busy)
      expect(await other.ask('SCRIPT', 'KILL')).toBe('+OK\r\n')
      expect(await one.receive()).toMatch(/^-ERR Script killed by user with SCRIPT KILL... script: \w+, on @user_script:1.\r\n$/)
      expect(await other.ask('SET', 'k', 'v')).toBe('+OK\r\n')
    }
  })

  it('that takes long where it cannot be left alone is ended by the server, if it has written nothing', async () => {
    const scene = new Scene(7, { config: { 'busy-reply-threshold': 5 } })
    await scene.startUnobserved()
    const client = await scene.plainClient()
    const ended = /ERR Script killed by the server: it has exceeded busy-reply-threshold in a place where it cannot be interrupted/
    for (const loop of [
      'coroutine.wrap(function() while true do end end)()',
      'table.sort({3, 2, 1}, function() while true do end end)',
      "string.gsub('x', 'x', function() while true do end end)",
      'return setmetatable({}, {__index = function() while true do end end}).x',
      'xpcall(function() while true do end end, function(e) return e end) return 1',
      'pcall(function() coroutine.wrap(function() while true do pcall(next, {}) end end)() end) return 1',
    ]) {
      expect([loop, await client.ask('EVAL', loop, '0')]).toEqual([loop, expect.stringMatching(ended)])
    }
    client.sendTogether(['MULTI'], ['EVAL', 'while true do end', '0'], ['SET', 'k', 'v'], ['EXEC'])
    for (let i = 0; i < 3; i++) await client.receive()
    expect(await client.receive()).toMatch(/^\*2\r\n-ERR Script killed by the server.*\r\n\+OK\r\n$/)
    // What it has written is whole: it goes on to its end.
    const long = "return coroutine.wrap(function() redis.call('SET', 'k', 'w') for i = 1, 1e8 do end return redis.call('GET', 'k') end)()"
    expect(await client.ask('EVAL', long, '0')).toBe('$1\r\nw\r\n')
  })

  it('that has written cannot be ended, and is one record all the same', async () => {
    const scene = new Scene(5, { config: { 'busy-reply-threshold': 2 } })
    await scene.startUnobserved()
    const [one, other] = [await scene.plainClient(), await scene.plainClient()]
    const before = scene.server.primary.log.appended
    one.send('EVAL', "redis.call('SET','k','1') for i = 1, 1e8 do end return redis.call('INCR','k')", '0')
    await scene.pass(2)
    expect(await other.ask('GET', 'k')).toMatch(/^-BUSY/)
    expect(await other.ask('SCRIPT', 'KILL')).toMatch(/^-UNKILLABLE/)
    expect(await one.receive()).toBe(':2\r\n')
    expect(scene.server.primary.log.appended).toBe(before + 1)
    expect(await other.ask('GET', 'k')).toBe('$1\r\n2\r\n')
  })

  it('that is suspended while a checkpoint runs is in it as a whole, or not at all', async () => {
    const script = "redis.call('INCR','k') for i = 1, 2e7 do end redis.call('SET','l',string.rep('x',100)) return redis.call('INCR','k')"
    for (const lastsMs of [1, 5, 1000]) {
      const scene = new Scene(10, { diskMsMax: 0.01 })
      await scene.startUnobserved()
      const client = await scene.plainClient()
      expect(await client.ask('SET', 'other', 'v')).toBe('+OK\r\n')
      client.send('EVAL', script, '0')
      while (scene.server.scripting.running === undefined) await scene.pass(0.01)
      let isDone = false
      const checkpoint = scene.server.maintenance.checkpoint().then(() => {
        isDone = true
      })
      await scene.pass(lastsMs)
      // Only once the script has ended may the checkpoint.
      expect(isDone && scene.server.scripting.running !== undefined).toBe(false)
      const hasReplied = client.hasReply
      if (lastsMs === 1000) await scene.settled(checkpoint)
      scene.machine.crash()
      await scene.startUnobserved()
      const again = await scene.plainClient()
      const reply = await again.ask('EVAL', "return {redis.call('GET','k'),redis.call('STRLEN','l')}", '0')
      // Its reply may have been on its way.
      const isWhole = hasReplied || reply !== '*2\r\n$-1\r\n:0\r\n'
      if (isWhole) expect(reply).toBe('*2\r\n$1\r\n2\r\n:100\r\n')
      // A record that takes the LSN of the one that never was is no old news.
      expect(await again.ask('INCR', 'k')).toBe(isWhole ? ':3\r\n' : ':1\r\n')
      scene.machine.crash()
      await scene.startUnobserved()
      expect(await (await scene.plainClient()).ask('GET', 'k')).toBe(isWhole ? '$1\r\n3\r\n' : '$1\r\n1\r\n')
    }
  })

  it('short enough makes others wait only', async () => {
    const scene = new Scene(6)
    await scene.startUnobserved()
    const [one, other] = [await scene.plainClient(), await scene.plainClient()]
    one.send('EVAL', 'for i = 1, 2e7 do end return 1', '0')
    await scene.pass(2)
    expect(await other.ask('PING')).toBe('+PONG\r\n')
    expect(await one.receive()).toBe(':1\r\n')
  })
})

describe('a library of functions', () => {
  const library = `#!lua name=counters
local function add(keys, args) return redis.call('INCRBY', keys[1], args[1]) end
redis.register_function('add', add)
redis.register_function{function_name = 'look', callback = function(keys) return redis.call('GET', keys[1]) end, flags = {'no-writes'}}`

  it('survives a crash, in the log and in a checkpoint, and so does that it is gone', async () => {
    for (const config of [{}, cold]) {
      const scene = new Scene(7, { config })
      await scene.startUnobserved()
      let client = await scene.plainClient()
      const restart = async (): Promise<void> => {
        scene.machine.crash()
        await scene.startUnobserved()
        client = await scene.plainClient()
      }
      expect(await client.ask('FUNCTION', 'LOAD', library)).toBe('$8\r\ncounters\r\n')
      await restart()
      expect(await client.ask('FCALL', 'add', '1', 'k', '5')).toBe(':5\r\n')
      await scene.checkpoint()
      await restart()
      expect(await client.ask('FCALL', 'add', '1', 'k', '5')).toBe(':10\r\n')
      expect(await client.ask('FCALL_RO', 'look', '1', 'k')).toBe('$2\r\n10\r\n')
      expect(await client.ask('FLUSHALL')).toBe('+OK\r\n')
      expect([await client.ask('DBSIZE'), await client.ask('KEYS', '*')]).toEqual([':0\r\n', '*0\r\n'])
      await restart()
      expect(await client.ask('FCALL', 'add', '1', 'k', '1')).toBe(':1\r\n')
      expect(await client.ask('FUNCTION', 'DELETE', 'counters')).toBe('+OK\r\n')
      await restart()
      expect(await client.ask('FCALL', 'add', '1', 'k', '1')).toBe('-ERR Function not found\r\n')
    }
  })

  it('can be ended by FUNCTION KILL alone', async () => {
    const scene = new Scene(8, { config: { 'busy-reply-threshold': 2 } })
    await scene.startUnobserved()
    const [one, other] = [await scene.plainClient(), await scene.plainClient()]
    await one.ask('FUNCTION', 'LOAD', "#!lua name=l\nredis.register_function('forever', function() while true do end end)")
    one.send('FCALL', 'forever', '0')
    await scene.pass(2)
    expect(await other.ask('SCRIPT', 'KILL')).toMatch(/^-BUSY Redis is busy running a script. You can only call FUNCTION KILL/)
    expect(await other.ask('FUNCTION', 'STATS')).toContain('forever')
    expect(await other.ask('FUNCTION', 'KILL')).toBe('+OK\r\n')
    expect(await one.receive()).toMatch(/^-ERR Script killed by user with SCRIPT KILL... script: forever, on @user_function:2.\r\n$/)
  })

  it('that never ends while it is loaded is refused', async () => {
    const scene = new Scene(9)
    await scene.startUnobserved()
    const client = await scene.plainClient()
    expect(await client.ask('FUNCTION', 'LOAD', '#!lua name=l\nwhile true do end')).toMatch(/^-ERR .*timeout/)
    expect(await client.ask('EVAL', 'return 1', '0')).toBe(':1\r\n')
  })
})
