import createError from '@fastify/error'

/**
 * Every error code of the service. The code is the contract (tests and documents refer to it); texts may
 * change, except those of the HTTP errors: each is the whole answer body, `{"error": <text>}`.
 */
export const NotFoundError = createError('CALLCOV_NOT_FOUND', 'Not found', 404)
export const MethodNotAllowedError = createError('CALLCOV_METHOD_NOT_ALLOWED', 'Method not allowed', 405)
export const ContentEncodingError = createError(
  'CALLCOV_CONTENT_ENCODING',
  'Unsupported content encoding',
  415,
)
export const BodyTooLargeError = createError('CALLCOV_BODY_TOO_LARGE', 'Payload too large', 413)
export const UnauthorizedError = createError<[string]>('CALLCOV_UNAUTHORIZED', '%s', 401)
/** The start cannot go on because of what the operator gave it; `message` says what to do. */
export class StartError extends Error {
  override readonly name = 'StartError'
  readonly code:
    'CALLCOV_SETTINGS' | 'CALLCOV_HANDLERS' | 'CALLCOV_DATA_DIR' | 'CALLCOV_REDIS' | 'CALLCOV_LISTEN'

  constructor(code: StartError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Why a webhook could not be stored. Closed list: it is a log field and a readiness reason. */
export type UnavailableReason =
  | 'redis-unreachable'
  | 'redis-loading'
  | 'redis-read-only'
  | 'redis-write-error'
  | 'redis-evicts'
  | 'overloaded'
  | 'stopping'

/** The webhook was not stored, or not surely; the sender is to try again. */
export class UnavailableError extends createError('CALLCOV_UNAVAILABLE', 'Temporarily unavailable', 503) {
  readonly reason: UnavailableReason

  constructor(reason: UnavailableReason, cause?: unknown) {
    super()
    this.reason = reason
    this.cause = cause
  }
}

/** The `code` of a system or library error, such as ENOENT. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
