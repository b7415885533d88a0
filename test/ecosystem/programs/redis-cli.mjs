/** redis-cli of Debian: commands, mass insertion, its ways to look at a server. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { aboutVersion, check, end, equal, isTrue, port } from './check.mjs'

const run = (args, input = '') => {
  const { stdout, stderr, status } = spawnSync('redis-cli', ['-p', `${port}`, ...args], { input, encoding: 'utf8', timeout: 50_000 })
  return { out: `${stdout}${stderr}`.trimEnd(), status }
}
const cli = (...args) => run(args).out

aboutVersion(cli('--version').split(' ')[1])

await check('commands, formats, standard input', () => {
  equal(cli('SET', 'k', 'v'), 'OK')
  equal(cli('--csv', 'RPUSH', 'l', 'a', 'b'), '2')
  equal(cli('--csv', 'LRANGE', 'l', '0', '-1'), '"a","b"')
  equal(cli('--json', 'LRANGE', 'l', '0', '-1'), '["a","b"]')
  equal(cli('ZADD', 'z', '1', 'one', '2', 'two'), '2')
  equal(cli('-3', '--no-raw', 'ZRANGE', 'z', '0', '-1', 'WITHSCORES'), '1) 1) "one"\n   2) (double) 1\n2) 1) "two"\n   2) (double) 2')
  equal(run(['-x', 'SET', 'big'], 'x'.repeat(100_000)).out, 'OK')
  equal(cli('STRLEN', 'big'), '100000')
  equal(run([], 'MULTI\nINCR n\nINCR n\nEXEC\n').out, 'OK\nQUEUED\nQUEUED\n1\n2')
  equal(cli('-r', '3', '-i', '0.01', 'INCR', 'n'), '3\n4\n5')
  isTrue(cli('-e', 'NOSUCH').includes('unknown command'))
  equal(run(['-e', 'NOSUCH']).status, 1)
})

await check('--eval', () => {
  const folder = mkdtempSync(join(tmpdir(), 'redis-cli-'))
  writeFileSync(join(folder, 'a.lua'), "return redis.call('INCRBY', KEYS[1], ARGV[1])")
  equal(cli('--eval', join(folder, 'a.lua'), 'evaluated', ',', '42'), '42')
  rmSync(folder, { recursive: true })
})

await check('--pipe: 20,000 commands', () => {
  let input = ''
  for (let i = 0; i < 20_000; i++) input += `*4\r\n$4\r\nZADD\r\n$4\r\npipe\r\n$5\r\n${10_000 + i}\r\n$5\r\n${10_000 + i}\r\n`
  isTrue(run(['--pipe'], input).out.endsWith('errors: 0, replies: 20000'))
  equal(cli('ZCARD', 'pipe'), '20000')
})

await check('--scan, --bigkeys, --memkeys, --latency', () => {
  equal(cli('--scan', '--pattern', 'pip*'), 'pipe')
  isTrue(cli('--bigkeys').includes('Biggest   zset found \'"pipe"\' has 20000 members'))
  isTrue(cli('--memkeys').includes('Biggest   zset found \'"pipe"\' has'))
  isTrue(/^\d/.test(cli('--latency', '--raw', '-i', '0.1')))
})

await check('--rdb and --functions-rdb fetch a dump', () => {
  for (const option of ['--rdb', '--functions-rdb']) {
    const folder = mkdtempSync(join(tmpdir(), 'redis-cli-'))
    const { out, status } = run([option, join(folder, 'dump.rdb')])
    const start = status === 0 ? readFileSync(join(folder, 'dump.rdb')).subarray(0, 5).toString() : out
    rmSync(folder, { recursive: true })
    equal(start, 'REDIS')
  }
})

await check('MONITOR and SUBSCRIBE go on', async () => {
  for (const [words, wanted] of [
    [['MONITOR'], '"PUBLISH" "c" "hello"'],
    [['SUBSCRIBE', 'c'], 'hello'],
  ]) {
    const child = spawn('redis-cli', ['-p', `${port}`, ...words])
    let out = ''
    await new Promise((resolve) => {
      child.stdout.on('data', (bytes) => {
        out += bytes
        if (out.includes(wanted)) resolve()
        else if (out.length > 0 && !out.includes('hello')) cli('PUBLISH', 'c', 'hello')
      })
      child.once('exit', resolve)
    })
    child.kill()
    isTrue(out.includes(wanted), out)
  }
})

end()
