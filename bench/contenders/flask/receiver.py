"""The provider's sample as people deploy it: Flask checks the signature and hands a Celery task to Redis."""

import hashlib
import hmac
import os

import redis
from celery import Celery
from flask import Flask, jsonify, request

SECRET = os.environ["CALLCOV_WEBHOOK_SECRET"].encode()
REMEMBER_SECONDS = 30 * 24 * 3600

app = Flask(__name__)
celery = Celery("receiver", broker=os.environ["REDIS_URL"])
seen = redis.Redis.from_url(os.environ["REDIS_URL"])


@celery.task(ignore_result=True)
def process_analysis(analysis):
    pass


@app.post("/webhooks/callcov")
def handle_webhook():
    signature = request.headers.get("X-CallCov-Signature", "")
    expected = hmac.new(SECRET, request.get_data(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature, expected):
        return jsonify(error="Invalid signature"), 401
    analysis = request.get_json()
    if seen.set(f"seen:{analysis['id']}", 1, nx=True, ex=REMEMBER_SECONDS):
        process_analysis.delay(analysis)
    return jsonify(received=True)
