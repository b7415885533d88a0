/** Runs before each test file: fast-check takes its seed from where all tests take it. */
import fc from 'fast-check'
import { testSeed } from './chance.ts'

fc.configureGlobal({ seed: testSeed | 0 })
