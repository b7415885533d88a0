#!/usr/bin/env node
/**
 * What is run: prepares the process, then loads the program. It is CommonJS because loading an ES module already starts
 * libuv's thread pool, whose size can be set only before: the log's writes, the cold store's reads, its write and its sync
 * each hold a thread, and there must always be one for the log.
 */
const v8 = require('node:v8') as typeof import('node:v8')

process.env.UV_THREADPOOL_SIZE ??= '8'

// Loading the program must not let V8's young generation grow, because it stays large (young-generation.ts).
v8.setFlagsFromString('--semi-space-growth-factor=1')

void import('./main.ts')
