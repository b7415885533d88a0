/**
 * Loaded before the built server (`node --import`): spoils commands that hardly anybody needs, to see what an exception that
 * nobody foresaw does. GETSET changes its key and throws; STRLEN throws from a timer, LCS from a promise, after its reply.
 */
const root = new URL('engine/commands/', process.env.MORAINE_TEST_PROGRAM)
const { stringCommands } = await import(new URL('string.js', root).href)
const { stringRangeCommands } = await import(new URL('string-ranges.js', root).href)
const { lcsCommands } = await import(new URL('lcs.js', root).href)

function spoil(name, handler) {
  for (const table of [stringCommands, stringRangeCommands, lcsCommands]) {
    if (table[name] === undefined) continue
    table[name].handler = handler
    return
  }
  throw new Error(`no command ${name} to spoil`)
}

spoil('GETSET', (x) => {
  x.putString(1, x.args.buffer, x.args.starts[1], x.args.ends[1], 0)
  throw new Error('an invariant is broken')
})
spoil('STRLEN', (x) => {
  setTimeout(() => {
    throw new Error('an invariant is broken')
  }, 0)
  x.reply.integer(0)
})
spoil('LCS', (x) => {
  void Promise.reject(new Error('an invariant is broken'))
  x.reply.integer(0)
})
