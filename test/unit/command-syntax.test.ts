/** The notation of a row's syntax, read as COMMAND DOCS shows arguments. */
import { describe, expect, it } from 'vitest'
import type { ArgumentDoc } from '../../server/command-syntax.ts'
import { argumentDocs } from '../../server/command-syntax.ts'
import { engineTables, sessionTables } from '../../server/commands/tables.ts'

/** Written again in the same notation. */
function written({ name, type, token, optional, multiple, repeatsToken, parts }: ArgumentDoc): string {
  let text = type === 'pure-token' ? (token as string) : name
  if (type === 'block') text = parts.map(written).join(' ')
  if (type === 'oneof') text = parts.map(written).join(' | ')
  if (multiple) text += ` [${repeatsToken === true ? `${token} ` : ''}${text} ...]`
  if (token !== undefined && type !== 'pure-token') text = type === 'oneof' ? `${token} <${text}>` : `${token} ${text}`
  else if (type === 'oneof' && !optional) text = `<${text}>`
  return optional ? `[${text}]` : text
}

describe('syntax', () => {
  it.each([
    ['key', [['key', 'key']]],
    [
      'key value [NX | XX] [GET]',
      [
        ['key', 'key'],
        ['value', 'string'],
        ['nx-or-xx', 'oneof'],
        ['get', 'pure-token'],
      ],
    ],
    [
      'key field value [field value ...]',
      [
        ['key', 'key'],
        ['field_value', 'block'],
      ],
    ],
    ['key [key ...]', [['key', 'key']]],
    [
      'key [COUNT count]',
      [
        ['key', 'key'],
        ['count', 'integer'],
      ],
    ],
    ['', []],
  ])('%s', (syntax, expected) => {
    expect(argumentDocs(syntax).map(({ name, type }) => [name, type])).toEqual(expected)
  })

  it('keeps tokens, options and repetition', () => {
    const [key, again] = argumentDocs('key [MATCH pattern]')
    expect(key).toMatchObject({ optional: false, multiple: false })
    expect(again).toMatchObject({ name: 'pattern', token: 'MATCH', optional: true })
    expect(argumentDocs('key [key ...]')[0]).toMatchObject({ multiple: true, optional: false })
  })

  const rows = Object.entries({ ...engineTables, ...sessionTables }).filter(([, { syntax }]) => syntax !== '')
  it.each(rows)('%s is written in the notation', (_name, { syntax }) => {
    expect(argumentDocs(syntax).map(written).join(' ')).toBe(syntax)
  })
})
