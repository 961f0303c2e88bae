/*
 * Orca's and Canopy's TensorFlow 1 checkpoints as models.
 *
 * Orca names its actor actor/{fc1,fc2,dense}/{kernel,bias} with batch_normalization[_1]; Canopy
 * abstract_actor/abstract_actor/{fc1,fc2,fc1_1}/{w,b} with bn1, bn2, beside an unused random actor/
 * network: abstract_actor is preferred where both exist. The target actor and the four critics come
 * along when present; Adam's slots are left out. Dense kernels are [in, out] in both worlds.
 */
#ifndef MODEL_TF_IMPORT_H
#define MODEL_TF_IMPORT_H

#include "model/model.h"
#include "model/tf_bundle.h"

/* The model in an open checkpoint, checked and digested. 0 or -EBADMSG; prints what is missing,
 * after path. */
int tf_import(struct model **out, const struct tf_bundle *b, const char *path);

/* tf_open and tf_import; also fills info.source. */
int tf_import_file(struct model **out, const char *prefix);

#endif
