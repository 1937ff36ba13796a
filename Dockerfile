# Never built in our checks: there was no engine to build it with.
FROM docker.io/library/python:3.12-slim
WORKDIR /app
COPY . .
RUN pip install --no-cache-dir --require-hashes -r requirements.lock && pip install --no-cache-dir --no-deps .
RUN useradd --create-home quartermaster && install -d -o quartermaster /state
USER quartermaster
ENV QM_HOME=/state
CMD ["quartermaster", "up"]
