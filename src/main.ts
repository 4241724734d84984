#!/usr/bin/env node
import { flushCompileCache } from 'node:module'
import { isatty } from 'node:tty'
import { fileURLToPath } from 'node:url'
import { Command, CommanderError } from 'commander'
import type { CommandContext } from './cli/command-context.ts'
import { addDeliveriesCommand } from './cli/deliveries.ts'
import { addDiscardCommand } from './cli/discard.ts'
import { addDrillCommand } from './cli/drill.ts'
import { addForgetCommand } from './cli/forget.ts'
import { addPauseCommands } from './cli/pause.ts'
import { addReplayCommand } from './cli/replay.ts'
import { addSendCommand } from './cli/send.ts'
import { loadConfig, type Config } from './config.ts'
import { errorCode, StartError } from './errors.ts'
import { createLog, flushLog, type Logger } from './log.ts'
import { openLogOutput } from './log-output.ts'
import { Service } from './service.ts'
import { describeStart } from './start-message.ts'
import { WORKER_COMMAND, type ParentMessage } from './worker/messages.ts'
import { runWorkerProcess } from './worker/process.ts'

/** The command line and the roles: the only file that reads the environment, handles signals and exits. */

/** Ctrl-C reaches the process twice when npm started it: once from the terminal and once from npm. */
const SAME_SIGNAL_WITHIN_MS = 1000
const USAGE_ERROR = 2

const program = new Command('callcov-receiver')
  .description('Receives webhooks of CallCov and Hamsa and hands them to your handlers.')
  // Of `deliveries show ID --json` the option belongs to show.
  .enablePositionalOptions()
  .exitOverride()

program.command('serve', { isDefault: true }).description('run the service (the default)').action(serve)
program.command(WORKER_COMMAND, { hidden: true }).action(workerProcess)
const context: CommandContext = {
  environment: process.env,
  write: (data) => void process.stdout.write(data),
  setExitCode: (code) => void (process.exitCode = code),
}
addSendCommand(program, context)
addDeliveriesCommand(program, context)
addReplayCommand(program, context)
addDiscardCommand(program, context)
addPauseCommands(program, context)
addForgetCommand(program, context)
addDrillCommand(program, { ...context, entry: fileURLToPath(import.meta.url), onStopSignal })

// The worker is given all it needs, and is not to find again what was left out on purpose.
if (process.env.NODE_ENV !== 'production' && process.argv[2] !== WORKER_COMMAND) loadEnvFile()
try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = reportFailure(error)
}

async function serve(): Promise<void> {
  const config = loadConfig(process.env)
  const output = await openLogOutput(isWatchedByPerson(config))
  const log = createLog(config.logLevel, output)
  const service = new Service({
    config,
    log,
    writeLogLine: (line) => output.write(line),
    entry: fileURLToPath(import.meta.url),
    environment: process.env,
    onFatal(message) {
      process.stderr.write(`${message}\n`)
      stop(1)
    },
  })
  let stopping = false
  function stop(exitCode: number): void {
    if (stopping) return
    stopping = true
    setTimeout(() => process.exit(1), config.shutdownGraceMs).unref()
    service.stop().then(
      () => exit(log, exitCode),
      (error: unknown) => {
        log.error({ err: error }, 'did not stop cleanly')
        return exit(log, 1)
      },
    )
  }
  onStopSignal((signal) => {
    log.info({ signal }, 'stopping')
    stop(0)
  })
  const facts = await service.start()
  // Else it is written at the end, and never by a process that is killed.
  flushCompileCache()
  if (config.production) log.info(facts, 'started')
  else process.stderr.write(describeStart(config, facts))
}

async function workerProcess(): Promise<void> {
  const config = loadConfig(process.env)
  // The parent reads the lines, and is the one that writes: two writers to one pipe would tear them.
  const log = createLog(config.logLevel, await openLogOutput(false))
  const { redisUrl } = config
  if (process.send === undefined || redisUrl === undefined) {
    throw new StartError('CALLCOV_SETTINGS', 'This command is for the service itself; use ROLE=worker.')
  }
  // Ctrl-C in the terminal reaches every process of the group; the parent decides when this one stops.
  process.on('SIGINT', () => {})
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'a handler left an error that nobody caught; the worker ends')
    void exit(log, 1)
  })
  const running = await runWorkerProcess({
    config: { ...config, redisUrl },
    log,
    parentPid: process.ppid,
    // A parent that is gone hears nothing any more, and this process is about to be ended.
    send: (message) => void process.send?.(message, undefined, undefined, () => {}),
    onMessage: (listener) => void process.on('message', (message) => listener(message as ParentMessage)),
    exit: (code) => void exit(log, code),
  })
  process.on('SIGTERM', () => running?.stop(config.shutdownGraceMs))
  flushCompileCache()
}

async function exit(log: Logger, code: number): Promise<void> {
  await flushLog(log)
  process.exit(code)
}

function isWatchedByPerson(config: Config): boolean {
  // Not `process.stdout.isTTY`: that opens the stream, whose writes to a pipe block.
  return !config.production && isatty(1)
}

function onStopSignal(stop: (signal: NodeJS.Signals) => void): void {
  let firstAt: number | undefined
  const onSignal = (signal: NodeJS.Signals) => {
    if (firstAt === undefined) {
      firstAt = Date.now()
      stop(signal)
    } else if (Date.now() - firstAt > SAME_SIGNAL_WITHIN_MS) process.exit(1)
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}

function loadEnvFile(): void {
  try {
    process.loadEnvFile()
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}

/** Writes the failure where a person or a container log shows it, and returns the exit code. */
function reportFailure(error: unknown): number {
  if (error instanceof StartError) {
    process.stderr.write(`${error.message}\n`)
    return 1
  }
  // commander has written its own message, and ends --help with code 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_ERROR
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : 'unknown error'}\n`)
  return 1
}
