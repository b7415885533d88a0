/**
 * Runs before each test file: fast-check takes its seed from where all tests take it, and ends before the test's time is over: then
 * what failed is told, as short as it has become.
 */
import fc from 'fast-check'
import { testSeed, testTimeoutMs } from './chance.ts'

fc.configureGlobal({ seed: testSeed | 0, interruptAfterTimeLimit: testTimeoutMs / 2 })
