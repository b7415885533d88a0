/** CLIENT REPLY OFF: what a silent stretch leaves behind must not let a later reply slip out before its time. */
import { describe, expect, it } from 'vitest'
import { OutputBuffer } from '../../engine/output-buffer.ts'

function write(output: OutputBuffer, text: string): void {
  const bytes = Buffer.from(text)
  output.copy(bytes, 0, bytes.length)
}

function sendable(output: OutputBuffer, committed: number): string {
  const views: Uint8Array[] = []
  output.takeSendable(committed, views)
  return Buffer.concat(views).toString()
}

describe('a silent stretch', () => {
  it('holds what follows it from where it began', () => {
    const output = new OutputBuffer()
    write(output, 'before ')
    const from = output.position
    output.discarding = true
    write(output, 'x'.repeat(500))
    expect(output.keptPosition).toBe(from)
    output.hold(7, output.keptPosition)
    output.discarding = false
    expect(output.position).toBe(from)
    expect(output.keptPosition).toBe(from)
    write(output, 'after')
    expect(sendable(output, 6)).toBe('before ')
    expect(sendable(output, 7)).toBe('after')
  })
})
