import { describe, expect, it } from 'vitest'
import { Arguments } from '../../engine/arguments.ts'

describe('Arguments', () => {
  it('compares words of ASCII in any case, and nothing but letters loosely', () => {
    const args = Arguments.of('gEt', 'GETS', 'KEEPTTL', '\u0047\u0045t', '@', '`', 'NO-ONE')
    expect(args.is(0, 'GET')).toBe(true)
    expect(args.is(0, 'get')).toBe(true)
    expect(args.is(0, 'GETS')).toBe(false)
    expect(args.is(1, 'GET')).toBe(false)
    expect(args.is(2, 'keepttl')).toBe(true)
    expect(args.is(4, '`')).toBe(false)
    expect(args.is(5, '@')).toBe(false)
    expect(args.is(6, 'no-one')).toBe(true)
    expect(args.is(6, `NO${String.fromCharCode(0x0d)}ONE`)).toBe(false)
  })

  it('reads numbers, texts and bytes', () => {
    const args = Arguments.of('SET', '-12', '9223372036854775807', '1.5', 'é', 'x')
    expect(args.count).toBe(6)
    expect(args.integer(1)).toBe(-12)
    expect(args.integer(2)).toBeNaN()
    expect(args.isInt64(2)).toBe(true)
    expect(args.bigInteger(2)).toBe(2n ** 63n - 1n)
    expect(args.bigInteger(3)).toBeUndefined()
    expect(args.float(3)).toBe(1.5)
    expect(args.string(4)).toBe('é')
    expect(args.string(4, 'latin1')).toBe('Ã©')
    expect(args.length(4)).toBe(2)
    expect([...args.bytes(4)]).toEqual([0xc3, 0xa9])
  })

  it('tells whether two arguments are the same bytes', () => {
    const args = Arguments.of('a', 'b', 'a', 'ab')
    expect([args.same(0, 2), args.same(0, 1), args.same(0, 3)]).toEqual([true, false, false])
  })

  it('keeps a copy in a buffer of its own', () => {
    const args = Arguments.of('skipped', 'SET', 'k', 'v')
    const view = new Arguments()
    view.buffer = args.buffer
    for (let i = 1; i < args.count; i++) view.push(args.start(i), args.end(i))
    const copy = view.keep()
    args.buffer.fill(0)
    expect([0, 1, 2].map((i) => copy.string(i))).toEqual(['SET', 'k', 'v'])
    expect(copy.buffer.length).toBe(5)
  })

  it('grows, follows its bytes, and gives back room that it no longer needs', () => {
    const args = new Arguments()
    args.buffer = Buffer.from('__abc')
    for (let i = 0; i < 5000; i++) args.push(2 + (i % 3), 3 + (i % 3))
    args.move(Buffer.from('abc'), -2)
    expect(args.string(4999)).toBe('b')
    args.clear()
    expect(args.count).toBe(0)
    expect(args.starts.length).toBe(16)
  })
})
