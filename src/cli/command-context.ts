/** What a command may touch of its process; only main.ts reads the environment, and only it sets the exit code. */
export interface CommandContext {
  readonly environment: NodeJS.ProcessEnv
  /** Standard output. */
  readonly write: (data: string | Uint8Array) => void
  readonly setExitCode: (code: number) => void
}

/** Exit codes of every command. */
export const FOUND_SOMETHING_WRONG = 1
export const USED_WRONGLY = 2
