-- One row per call: the newest that its events say of each column. It is made of the rows of call_events.
CREATE TABLE callcov_receiver.calls (
  call_id text PRIMARY KEY,
  -- Of its events; null while none of this type has come, or none that says when it happened.
  started_at timestamptz,
  answered_at timestamptz,
  ended_at timestamptz,
  -- Whether it has ended, even if nobody said when.
  ended boolean NOT NULL DEFAULT false,
  project_id text,
  agent_id text,
  agent_name text,
  conversation_id text,
  recording_url text,
  outcome jsonb,
  -- Whose transcript stands in call_turns.
  transcript_delivery_id text,
  -- Of the first of its events.
  received_at timestamptz NOT NULL,
  stored_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX calls_received_at ON callcov_receiver.calls (received_at);
-- Hash, because a B-tree refuses texts longer than some 2,700 bytes.
CREATE INDEX calls_agent_id ON callcov_receiver.calls USING hash (agent_id);

-- One row per delivery.
CREATE TABLE callcov_receiver.call_events (
  delivery_id text PRIMARY KEY,
  call_id text NOT NULL REFERENCES callcov_receiver.calls ON DELETE CASCADE,
  type text NOT NULL,
  happened_at timestamptz,
  received_at timestamptz NOT NULL,
  project_id text,
  agent_id text,
  agent_name text,
  conversation_id text,
  recording_url text,
  outcome jsonb,
  -- Length of its transcript; null when it has none.
  turns integer,
  data jsonb,
  -- What was sent around `data`.
  envelope jsonb NOT NULL,
  stored_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX call_events_call_id ON callcov_receiver.call_events (call_id, happened_at);

CREATE TABLE callcov_receiver.call_turns (
  call_id text NOT NULL REFERENCES callcov_receiver.calls ON DELETE CASCADE,
  -- From 1, in the order of the transcript.
  position integer NOT NULL,
  speaker text NOT NULL,
  text text NOT NULL,
  PRIMARY KEY (call_id, position)
);
