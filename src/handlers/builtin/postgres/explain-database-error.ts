import { errorCode } from '../../../errors.ts'
import { PermanentError } from '../../handler-errors.ts'

const SQLSTATE = /^[0-9A-Z]{5}$/
/** Classes of SQLSTATEs that speak of the data, so that another try would end the same: data, constraints, limits. */
const DATA_FAULT = /^(?:22|23|54)/

const UNREACHABLE =
  'PostgreSQL does not answer at the address of DATABASE_URL; does it run, and is the address right?'
const UNVERIFIED =
  "the certificate of PostgreSQL cannot be verified: name its authority's file in DATABASE_URL with sslrootcert=, or write sslmode=no-verify to do without"
const REFUSED_USER = 'PostgreSQL refuses the user or the password of DATABASE_URL'

/** What to do, by SQLSTATE, by the code of Node, or by the text where the driver gives no code. */
const ADVICE = new Map([
  ['28P01', REFUSED_USER],
  ['28000', `${REFUSED_USER}, or its pg_hba.conf lets nobody in from here, or not without TLS`],
  [
    'SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string',
    'DATABASE_URL has no password, and PostgreSQL asks for one',
  ],
  ['3D000', "the database of DATABASE_URL does not exist; create it with ENCODING 'UTF8'"],
  [
    '42501',
    'the user of DATABASE_URL lacks a right: let the owner of the database run CREATE SCHEMA callcov_receiver AUTHORIZATION <user>, or see docs/postgres.md',
  ],
  ['42P07', 'the schema callcov_receiver holds a table or view that is not of this service; rename it'],
  ['25006', 'PostgreSQL only lets read: DATABASE_URL leads to a replica, perhaps after a failover'],
  ['53300', 'PostgreSQL has no connection left; raise its max_connections or run fewer workers'],
  ['53100', 'the disk of PostgreSQL is full'],
  ['57014', 'PostgreSQL took too long and gave the statement up; is it overloaded, or is a lock held?'],
  ['57P01', 'PostgreSQL is shutting down'],
  ['57P03', 'PostgreSQL is starting or stopping'],
  ['ECONNREFUSED', UNREACHABLE],
  ['ECONNRESET', 'the connection to PostgreSQL was cut'],
  ['EHOSTUNREACH', UNREACHABLE],
  ['ENETUNREACH', UNREACHABLE],
  ['ETIMEDOUT', UNREACHABLE],
  ['timeout expired', UNREACHABLE],
  ['Connection terminated due to connection timeout', UNREACHABLE],
  ['Connection terminated unexpectedly', 'the connection to PostgreSQL was cut'],
  ['ENOTFOUND', 'the host name of DATABASE_URL is unknown'],
  ['EAI_AGAIN', 'the host name of DATABASE_URL cannot be looked up at the moment'],
  [
    'ENOENT',
    'the socket (does PostgreSQL run?) or the certificate file that DATABASE_URL names is not there',
  ],
  [
    'ERR_INVALID_URL',
    'DATABASE_URL is no address; in its password, characters such as / # ? must be written as %2F %23 %3F',
  ],
  [
    'The server does not support SSL connections',
    'PostgreSQL speaks no TLS, which the sslmode of DATABASE_URL asks for',
  ],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', UNVERIFIED],
  ['SELF_SIGNED_CERT_IN_CHAIN', UNVERIFIED],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', UNVERIFIED],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', UNVERIFIED],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'the certificate of PostgreSQL is for another host name than that of DATABASE_URL',
  ],
])

/** A fault of the database, in words that say what to do and hold neither data nor any part of DATABASE_URL. */
class DatabaseError extends Error {
  override readonly name = 'DatabaseError'
}

/** What to throw instead of an error of the driver, whose texts quote data and addresses. */
export function explainDatabaseError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const code = errorCode(error)
  if (error.name === 'TimeoutError')
    return new DatabaseError('PostgreSQL has fallen silent', { cause: error })
  const advice = ADVICE.get(code ?? error.message)
  if (advice !== undefined) return new DatabaseError(advice, { cause: error })
  if (code === undefined) return error
  if (!SQLSTATE.test(code)) return new DatabaseError('PostgreSQL cannot be reached', { cause: error })
  const text = `PostgreSQL reports an error${placeOf(error)}`
  return DATA_FAULT.test(code)
    ? new PermanentError(text, { cause: error })
    : new DatabaseError(text, { cause: error })
}

/** Names of the schema; everything else that PostgreSQL tells may quote values. */
function placeOf(error: object): string {
  const fields = error as Record<string, unknown>
  const names = ['table', 'column', 'constraint'].filter((field) => typeof fields[field] === 'string')
  return names.map((field) => `, ${field} ${String(fields[field])}`).join('')
}
