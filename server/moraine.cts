#!/usr/bin/env node
/**
 * What is run: prepares the process, then loads the program. It is CommonJS because loading an ES module already starts
 * libuv's thread pool, whose size can be set only before: the log's writes, the cold store's reads, its write and its sync
 * each hold a thread, and there must always be one for the log.
 */
process.env.UV_THREADPOOL_SIZE ??= '8'

void import('./main.ts')
