/* conopa in plain C: open a model folder, turn encoded images into pixels, run the network.
 *
 * Every function that can fail returns a conopa_status; conopa_error() then says in one line what
 * was expected, what was found and what to do. Models are immutable and may be shared by threads;
 * a session serves one thread at a time. Pointers may not be null unless said so. */
#ifndef CONOPA_CONOPA_H
#define CONOPA_CONOPA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Results of calls; the values are the exit codes of the command. */
typedef enum conopa_status {
  CONOPA_OK = 0,
  CONOPA_FAILED = 1,       /**< out of memory, or a fault of the library */
  CONOPA_BAD_ARGUMENT = 2, /**< an option or argument out of range */
  CONOPA_BAD_DATA = 3      /**< a missing or damaged file or image, an unsupported model */
} conopa_status;

typedef struct conopa_model conopa_model;
typedef struct conopa_session conopa_session;

/** How to open a model. Set `size` to sizeof(conopa_model_options) and the rest to zero first. */
typedef struct conopa_model_options {
  size_t size;
  const char* precision; /**< "auto" (also NULL), "fp32", "bf16" or "int8" */
  const char* isa;       /**< highest instruction set, e.g. "avx2"; NULL: CONOPA_ISA or the best */
  int64_t height;        /**< input size in pixels; 0: the stored model's */
  int64_t width;
} conopa_model_options;

/** What a model is. Strings live as long as the model. */
typedef struct conopa_model_info {
  int64_t channels;
  int64_t height; /**< pixels */
  int64_t width;
  int64_t classes;      /**< width of the logits: classes or projection; 0: no such */
  int64_t features;     /**< width of the features that the classifier reads */
  int64_t weight_bytes; /**< of packed weights in memory */
  const char* precision;
  const char* isa;
} conopa_model_info;

/** A class with its probability. */
typedef struct conopa_prediction {
  int64_t index;
  double probability;
} conopa_prediction;

/** "0.1.0" */
const char* conopa_version(void);

/** What the last failed call on this thread has to say; "" if none failed. */
const char* conopa_error(void);

/** Opens a model folder and packs its weights. `options` may be NULL. */
conopa_status conopa_model_open(const char* path, const conopa_model_options* options,
                                conopa_model** model);
/** Sessions keep what they need of it. NULL is fine. */
void conopa_model_close(conopa_model* model);
void conopa_model_describe(const conopa_model* model, conopa_model_info* info);
/** Name of a class, or its number if the model has no names; NULL beyond the last class. */
const char* conopa_model_class_name(const conopa_model* model, int64_t index);

/** Decodes a JPEG, PNG, WebP or PNM image and applies the model's evaluation transform.
 *  @param pixels  channels * height * width floats. */
conopa_status conopa_model_preprocess(const conopa_model* model, const void* bytes, size_t size,
                                      float* pixels);

/** @param threads    of this session, the caller included; 0: one per core.
 *  @param max_batch  images that pass through together; 0: 8. More memory, more throughput. */
conopa_status conopa_session_create(const conopa_model* model, int threads, int64_t max_batch,
                                    conopa_session** session);
/** NULL is fine. */
void conopa_session_free(conopa_session* session);

/** Runs `batch` images; nothing is allocated after the first call.
 *  @param pixels    [batch, channels, height, width] as conopa_model_preprocess writes them.
 *  @param logits    [batch, classes] or NULL.
 *  @param features  [batch, features] or NULL. */
conopa_status conopa_session_run(conopa_session* session, const float* pixels, int64_t batch,
                                 float* logits, float* features);

/** Rows of an intermediate layer: "tokens_in", "block3_out", "stage1_block0_out", "final_norm"
 *  ("read_tokens" instead in models that average blocks).
 *  @param rows    receives [batch, tokens, width], or NULL to ask for the sizes alone.
 *  @param tokens  receives the number of tokens of an image; may be NULL.
 *  @param width   receives the width of a token; may be NULL. */
conopa_status conopa_session_run_layer(conopa_session* session, const float* pixels, int64_t batch,
                                       const char* layer, float* rows, int64_t* tokens,
                                       int64_t* width);

/** Classifies one encoded image.
 *  @param top    receives the `count` most probable classes, best first (fewer if there are fewer
 *                classes: the rest has index -1). */
conopa_status conopa_session_classify(conopa_session* session, const void* bytes, size_t size,
                                      conopa_prediction* top, int64_t count);

#ifdef __cplusplus
}
#endif

#endif /* CONOPA_CONOPA_H */
