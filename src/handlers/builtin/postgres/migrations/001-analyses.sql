-- One row per analysis: what its latest webhook said, or its completion once there was one.
CREATE TABLE callcov_receiver.analyses (
  analysis_id text PRIMARY KEY,
  status text NOT NULL CHECK (status IN ('completed', 'failed')),
  -- A completed analysis without results.
  partial boolean NOT NULL,
  livemode boolean,
  created_at timestamptz,
  received_at timestamptz NOT NULL,
  delivery_id text NOT NULL,
  agent_id text,
  contact_id text,
  duration_seconds double precision,
  audio_url text,
  audio_format text,
  language text,
  transcript text,
  error_message text,
  error_code text,
  error_details jsonb,
  results jsonb,
  compliance jsonb GENERATED ALWAYS AS (results -> 'compliance') STORED,
  quality jsonb GENERATED ALWAYS AS (results -> 'quality') STORED,
  coaching jsonb GENERATED ALWAYS AS (results -> 'coaching') STORED,
  -- What was sent besides transcript and results.
  envelope jsonb NOT NULL,
  stored_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX analyses_received_at ON callcov_receiver.analyses (received_at);
CREATE INDEX analyses_created_at ON callcov_receiver.analyses (created_at);
-- Hash, because a B-tree refuses texts longer than some 2,700 bytes.
CREATE INDEX analyses_agent_id ON callcov_receiver.analyses USING hash (agent_id);
CREATE INDEX analyses_contact_id ON callcov_receiver.analyses USING hash (contact_id);

CREATE TABLE callcov_receiver.segments (
  analysis_id text NOT NULL REFERENCES callcov_receiver.analyses ON DELETE CASCADE,
  -- From 1, in the order of the transcript.
  position integer NOT NULL,
  speaker text,
  text text NOT NULL,
  start_seconds double precision,
  end_seconds double precision,
  PRIMARY KEY (analysis_id, position)
);
