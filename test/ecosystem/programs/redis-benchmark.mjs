/** redis-benchmark of Debian: all of its default tests run, pipelined and not, and no request gets an error. */
import { spawnSync } from 'node:child_process'
import { aboutVersion, check, end, equal, isTrue, port } from './check.mjs'

const run = (...args) => spawnSync('redis-benchmark', ['-p', `${port}`, ...args], { encoding: 'utf8', timeout: 55_000 })
const tests = [
  ...['PING_INLINE', 'PING_MBULK', 'SET', 'GET', 'INCR', 'LPUSH', 'RPUSH', 'LPOP', 'RPOP', 'SADD', 'HSET', 'SPOP', 'ZADD', 'ZPOPMIN'],
  'LPUSH (needed to benchmark LRANGE)',
  ...[100, 300, 500, 600].map((n) => `LRANGE_${n} (first ${n} elements)`),
  'MSET (10 keys)',
]

aboutVersion(run('--version').stdout.trim().split(' ')[1])

for (const pipeline of [16, 1]) {
  await check(`the default tests, pipeline ${pipeline}`, () => {
    const { stdout, stderr, status } = run('--csv', '-n', '1600', '-c', '20', '-P', `${pipeline}`, '-r', '1000')
    equal([status, stderr], [0, ''])
    const rows = stdout
      .trim()
      .split('\n')
      .slice(1)
      .map((row) => row.slice(1).split('","'))
    equal(
      rows.map(([name]) => name),
      tests,
    )
    isTrue(rows.every(([, persecond]) => Number(persecond) > 0))
  })
}

await check('any command, with random keys', () => {
  const { stdout, status } = run(
    '-q',
    '-n',
    '2000',
    '-r',
    '100',
    'EVAL',
    "return redis.call('ZINCRBY', KEYS[1], 1, ARGV[1])",
    '1',
    'z:__rand_int__',
    'm',
  )
  equal(status, 0)
  isTrue(stdout.includes('requests per second'))
})

end()
