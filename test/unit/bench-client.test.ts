/** The benchmarks' own client and arithmetic: a client that miscounts would measure itself. */
import { describe, expect, it } from 'vitest'
import { inOrder, uniform, zipf } from '../../bench/key-choice.ts'
import { LatencyHistogram } from '../../bench/latency-histogram.ts'
import type { Requests } from '../../bench/requests.ts'
import { halfCompressible, memcachedGet, memcachedSet, respGet, respSet, smallValue } from '../../bench/requests.ts'
import { barChart, lineChart } from '../../bench/svg-chart.ts'
import { markdownTable, textTable } from '../../bench/table.ts'

/** Replies counted when the bytes arrive in two chunks, split at every place. */
function countAtEverySplit(requests: Requests, bytes: string): Set<string> {
  const stream = Buffer.from(bytes, 'latin1')
  const seen = new Set<string>()
  for (let at = 0; at <= stream.length; at++) {
    const replies = requests.replies()
    const done = replies.feed(stream.subarray(0, at)) + replies.feed(stream.subarray(at))
    seen.add(`${done} done, ${replies.misses} misses, ${replies.errors} errors: ${replies.firstError}`)
  }
  return seen
}

function encoded(requests: Requests, key: number): string {
  const buffer = Buffer.alloc(requests.requestBytes)
  requests.encode(buffer, 0, key)
  return buffer.toString('latin1')
}

describe('requests', () => {
  it('counts RESP replies at every split of the bytes', () => {
    const bytes = '+OK\r\n$5\r\nab\r\nc\r\n$-1\r\n-OOM command not allowed\r\n$0\r\n\r\n+OK\r\n'
    expect(countAtEverySplit(respGet(), bytes)).toEqual(new Set(['6 done, 1 misses, 1 errors: OOM command not allowed']))
  })

  it('counts memcached replies at every split of the bytes', () => {
    const bytes = 'STORED\r\nVALUE k 0 5\r\nEND\r\n\r\nEND\r\nEND\r\nSERVER_ERROR out of memory\r\n'
    expect(countAtEverySplit(memcachedGet(), bytes)).toEqual(new Set(['4 done, 1 misses, 1 errors: SERVER_ERROR out of memory']))
  })

  it('writes keys of 16 bytes and values of the given length', () => {
    expect(encoded(respGet(), 9_999_999)).toBe('*2\r\n$3\r\nGET\r\n$16\r\nkey:000009999999\r\n')
    expect(encoded(respSet(smallValue), 12)).toMatch(/^\*3\r\n\$3\r\nSET\r\n\$16\r\nkey:000000000012\r\n\$64\r\n[!-~]{64}\r\n$/)
    expect(encoded(memcachedSet(halfCompressible), 0)).toMatch(/^set key:000000000000 0 0 400\r\n[!-~]{200}x{200}\r\n$/)
  })
})

describe('key choice', () => {
  it('goes through a range once', () => {
    const next = inOrder(3, 6)
    expect([next(), next(), next(), next(), next()]).toEqual([3, 4, 5, -1, -1])
  })

  it('gives the hottest key of a zipf its share', () => {
    const keys = 1000
    const draws = 200_000
    let zeta = 0
    for (let rank = 1; rank <= keys; rank++) zeta += 1 / rank ** 0.99
    const counts = new Float64Array(keys)
    const next = zipf(keys, 0.99, 1)
    for (let i = 0; i < draws; i++) counts[next()]! += 1
    expect(counts[0]! / draws).toBeCloseTo(1 / zeta, 2)
    expect(counts.every((count) => count > 0)).toBe(true)
  })

  it('stays inside the keys and repeats from its seed', () => {
    const draw = (seed: number) => {
      const next = uniform(7, seed)
      return Array.from({ length: 50 }, () => next())
    }
    expect(new Set(draw(1))).toEqual(new Set([0, 1, 2, 3, 4, 5, 6]))
    expect(draw(2)).toEqual(draw(2))
    expect(draw(2)).not.toEqual(draw(1))
  })
})

describe('latencies', () => {
  it('finds quantiles within one percent', () => {
    const histogram = new LatencyHistogram()
    for (let us = 1; us <= 100_000; us++) histogram.record(us / 1000)
    for (const share of [0.01, 0.5, 0.99, 0.999]) {
      const exact = 100 * share
      expect(Math.abs(histogram.quantileMs(share) - exact) / exact).toBeLessThan(0.011)
    }
    expect(histogram.quantileMs(1)).toBe(100)
  })

  it('counts equal latencies at once', () => {
    const histogram = new LatencyHistogram()
    histogram.record(1, 99)
    histogram.record(50)
    expect(histogram.count).toBe(100)
    expect(histogram.quantileMs(0.99)).toBeCloseTo(1, 1)
    expect(histogram.quantileMs(1)).toBe(50)
  })
})

describe('pages', () => {
  const table = {
    title: 'Rates',
    columns: ['server', 'requests/s'],
    rows: [
      ['Moraine', '1,234'],
      ['Redis', '–'],
    ],
  }

  it('aligns numbers to the right', () => {
    expect(textTable(table)).toBe('Rates\n  server   requests/s\n  Moraine       1,234\n  Redis             –')
    expect(markdownTable(table).split('\n')[3]).toBe('| --- | ---: |')
  })

  it('draws a bar for each known value and escapes names', () => {
    const svg = barChart({ title: 'a < b', unit: 's', groups: ['x', 'y'], series: [{ name: 'n', values: [1, undefined] }] })
    expect(svg).toContain('a &lt; b')
    expect(svg.match(/<title>x, n: 1<\/title>/g)).toHaveLength(1)
    expect(svg).not.toContain('NaN')
  })

  it('draws lines even when there is nothing to see', () => {
    const svg = lineChart({ title: 't', xLabel: 'x', yLabel: 'y', series: [{ name: 'flat', points: [[0, 0]] }] })
    expect(svg).toContain('<polyline')
    expect(svg).not.toMatch(/NaN|Infinity/)
  })
})
